//! What is sent arrives as it was, whatever its size.

use std::{fs, path::Path, time::Duration};

use entrenous::picture::Preview;
use serde_json::{Value, json};

use crate::support::profile::id;
pub use crate::support::{fetch::content, two::Two};

#[test]
fn a_picture_is_offered_with_a_preview_that_is_there_before_it_is_fetched() {
    let two = Two::online();
    let from = tempfile::tempdir().unwrap();
    let red = from.path().join("red.png");
    image::RgbImage::from_pixel(64, 36, image::Rgb([255, 0, 0])).save(&red).unwrap();
    // One that only calls itself a picture, and one whose header promises too much.
    let (none, bomb) = (from.path().join("none.png"), from.path().join("bomb.gif"));
    fs::write(&none, "not a picture").unwrap();
    fs::write(&bomb, b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x02\x01\0\0;")
        .unwrap();
    let view = |path: &Path| {
        let entry = two.offer(path);
        let params = json!({ "conversation": two.conversation });
        let history = two.b.call("history", params);
        let of = |view: &&Value| view["entry"] == entry;
        history.as_array().unwrap().iter().find(of).unwrap()["file"].clone()
    };
    let file = view(&red);
    assert_eq!(file["state"], "offered");
    let preview = Preview::try_from(file["preview"].as_str().unwrap().to_owned()).unwrap();
    let (width, pixels) = preview.pixels();
    assert_eq!((width, pixels.len()), (32, 32 * 18));
    let is_red = |&[red, green, blue, opacity]: &[u8; 4]| {
        red > 200 && green < 40 && blue < 40 && opacity == 255
    };
    assert!(pixels.iter().all(is_red), "{pixels:?}");
    for path in [none, bomb] {
        let file = view(&path);
        assert_eq!((&file["state"], &file["preview"]), (&json!("offered"), &Value::Null));
    }
}

#[test]
fn of_any_size_it_arrives_as_it_was() {
    let two = Two::online();
    let from = tempfile::tempdir().unwrap();
    for size in [0, 1, 16 * 1024 - 1, 16 * 1024, 16 * 1024 + 1, 5_000_000] {
        let path = from.path().join(format!("{size}.bin"));
        fs::write(&path, content(size)).unwrap();
        let entry = two.offer(&path);
        let arrived = two.get(&entry);
        assert_eq!(fs::read(&arrived).unwrap(), content(size), "{size}");
        assert!(arrived.ends_with(&format!("downloads/{size}.bin")), "{arrived}");
    }
    let downloads = two.profiles.1.dir().join("downloads");
    assert_eq!(fs::read_dir(downloads).unwrap().count(), 6, "nothing else is left there");
}

/// All files below a directory, by their paths in it.
fn tree(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned();
                files.push((name, fs::read(path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn a_folder_arrives_as_it_was_and_an_empty_one_too() {
    let two = Two::online();
    let from = tempfile::tempdir().unwrap();
    let folder = from.path().join("album");
    fs::create_dir_all(folder.join("deep/er/empty")).unwrap();
    for (name, size) in [("a", 0), ("deep/b", 1), ("deep/er/c", 40_000), ("z", 16 * 1024)] {
        fs::write(folder.join(name), content(size)).unwrap();
    }
    std::os::unix::fs::symlink("/etc/passwd", folder.join("link")).unwrap();
    let arrived = two.get(&two.offer(&folder));
    let arrived = Path::new(&arrived);
    assert!(arrived.ends_with("downloads/album"));
    assert!(arrived.join("deep/er/empty").is_dir());
    fs::remove_file(folder.join("link")).unwrap();
    assert_eq!(tree(arrived), tree(&folder));

    let empty = from.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let arrived = two.get(&two.offer(&empty));
    assert_eq!(fs::read_dir(arrived).unwrap().count(), 0);
    let downloads = two.profiles.1.dir().join("downloads");
    assert_eq!(fs::read_dir(downloads).unwrap().count(), 2, "nothing else is left there");
}

#[test]
fn a_folder_of_many_small_files() {
    let count = crate::support::measured_or(10_000, 500);
    let two = Two::online();
    let from = tempfile::tempdir().unwrap();
    let folder = from.path().join("many");
    fs::create_dir(&folder).unwrap();
    for number in 0..count {
        fs::write(folder.join(number.to_string()), content(4096)).unwrap();
    }
    let began = std::time::Instant::now();
    let arrived = two.get(&two.offer(&folder));
    crate::support::figure(
        &format!("a folder of {count} files"),
        format!("{:.2} s", began.elapsed().as_secs_f64()),
    );
    assert_eq!(tree(Path::new(&arrived)), tree(&folder));
}

#[test]
fn holes_stay_holes() {
    use std::os::unix::fs::{FileExt, MetadataExt};
    let size = crate::support::measured_or(20 << 30, 64 << 20);
    let two = Two::online();
    let from = tempfile::tempdir().unwrap();
    let path = from.path().join("disk.img");
    let file = fs::File::create(&path).unwrap();
    file.set_len(size).unwrap();
    for offset in [0, size / 2 + 5000, size - 100] {
        file.write_all_at(&content(100), offset).unwrap();
    }
    let entry = two.offer(&path);
    let params = json!({ "conversation": two.conversation, "entry": entry });
    let began = std::time::Instant::now();
    two.b.call("getFile", params);
    let patience = Duration::from_secs(900);
    let done = two.b.event_within(patience, "fileDone", |event| event["entry"] == entry);
    let path = done.1["path"].as_str().unwrap().to_owned();
    let seconds = format!("{} bytes in {:.1} s", size, began.elapsed().as_secs_f64());
    crate::support::figure("a file of holes", seconds);
    let arrived = fs::File::open(path).unwrap();
    let there = arrived.metadata().unwrap();
    assert_eq!(there.len(), size);
    assert!(there.blocks() * 512 < 1 << 20, "{} blocks", there.blocks());
    for offset in [0, size / 2 + 5000, size - 100] {
        let mut part = [0; 100];
        arrived.read_exact_at(&mut part, offset).unwrap();
        assert_eq!(part[..], content(100));
    }
}

#[test]
fn who_sends_learns_how_far_it_is_and_that_it_is_there() {
    let two = Two::online();
    let path = two.profiles.0.outside().join("a.bin");
    for size in [0, 10, 9_000_000] {
        fs::write(&path, content(size)).unwrap();
        let entry = two.offer(&path);
        two.get(&entry);
        let fetched = two.a.event("fileFetched", |event| event["entry"] == entry);
        assert_eq!((&fetched["by"], &fetched["conversation"]), (&id(&two.b), &two.conversation));
        // The last of it may be told after that, as several streams carried it.
        let mut sent = 0;
        while sent < size as u64 {
            let event = two.a.event("fileSent", |event| event["entry"] == entry);
            assert_eq!(event["to"], id(&two.b));
            sent += event["bytes"].as_u64().unwrap();
        }
        assert_eq!(sent, size as u64);
        assert!(two.a.events("fileFetched").is_empty(), "it is said once");
    }
}
