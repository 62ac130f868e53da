//! A text as a QR code of half blocks: dark on light, with its quiet zone, so that a camera
//! reads it off the screen.

use qrcode::{Color, EcLevel, QrCode};

/// ISO/IEC 18004 §9.1: four modules of light around the symbol.
const QUIET_ZONE: usize = 4;

/// The rows of half blocks that show `text`, two modules above each other in one cell; to be
/// drawn dark on light. None if the text is too long for any QR code.
///
/// A text without lower-case letters makes a smaller code: Bech32 allows upper case for this
/// very purpose (BIP 173).
pub fn rows(text: &str) -> Option<Vec<String>> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let width = code.width();
    let colors = code.into_colors();
    let side = width + 2 * QUIET_ZONE;
    let dark = |x: usize, y: usize| {
        let inside = |at: usize| at.checked_sub(QUIET_ZONE).filter(|&at| at < width);
        match (inside(x), inside(y)) {
            (Some(x), Some(y)) => colors.get(y * width + x) == Some(&Color::Dark),
            _ => false,
        }
    };
    let row = |y: usize| {
        let half = |x: usize| match (dark(x, y), dark(x, y + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        };
        (0..side).map(half).collect()
    };
    Some((0..side).step_by(2).map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "ENTRENOUS1QYZ3XSQWERTYUPASDFGHJKLZXCVNM023456789ACDEFGHJKLMNPQRSTUVWXYZ023456789ACDEFGHJKLMNPQRSTUVWXYZ0234";

    /// Reads the picture back with an independent reader, as a camera would.
    fn scan(rows: &[String]) -> String {
        const SCALE: usize = 4;
        let modules: Vec<Vec<char>> = rows.iter().map(|row| row.chars().collect()).collect();
        let dark = |x: usize, y: usize| match modules[y / 2][x] {
            '█' => true,
            '▀' => y.is_multiple_of(2),
            '▄' => !y.is_multiple_of(2),
            _ => false,
        };
        let (width, height) = (modules[0].len() * SCALE, modules.len() * 2 * SCALE);
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
            if dark(x / SCALE, y / SCALE) { 0 } else { 255 }
        });
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1);
        grids[0].decode().unwrap().1
    }

    #[test]
    fn an_invite_can_be_scanned() {
        assert_eq!(scan(&rows(INVITE).unwrap()), INVITE);
    }

    #[test]
    fn the_quiet_zone_is_light_on_all_sides() {
        let rows = rows(INVITE).unwrap();
        assert!(rows[..2].iter().all(|row| row.trim().is_empty()));
        assert!(rows.iter().all(|row| row.starts_with("    ") && row.ends_with("    ")));
        // An odd number of modules leaves half a row more.
        let last: Vec<char> = rows[rows.len() - 3].chars().collect();
        assert!(last.iter().all(|&half| half == ' ' || half == '▀'));
        assert!(rows[rows.len() - 2..].iter().all(|row| row.trim().is_empty()));
    }

    #[test]
    fn an_invite_fits_an_ordinary_terminal() {
        let rows = rows(INVITE).unwrap();
        assert!(rows.len() <= 23, "{}", rows.len());
    }

    #[test]
    fn a_text_without_end_has_no_code() {
        assert_eq!(rows(&"A".repeat(5_000)), None);
    }
}
