//! Just enough HTTP and XML to talk with a router by UPnP. A router is any machine on a network
//! that one happens to be in, so what it says is bounded in size and time.

use std::{net::SocketAddr, time::Duration};

use futures::future::join;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, Uri,
    body::Bytes,
    client::conn::http1,
    header::{CONNECTION, CONTENT_TYPE, HOST},
    http::{self, request::Builder},
};
use hyper_util::rt::TokioIo;
use roxmltree::{Document, Node, ParsingOptions};
use tokio::{net::TcpSocket, time::timeout};

use super::Router;

/// An answer takes milliseconds; a router that is busy still has to be left.
const PATIENCE: Duration = Duration::from_secs(2);

/// A description of an Internet gateway has 3 to 10 KiB.
const MAX_BODY: usize = 64 * 1024;

/// Elements and texts of an answer: a description has some hundreds.
const MAX_NODES: u32 = 2048;

/// Attributes of an answer, and what else has a `=`: a description has some tens. What roxmltree
/// does with namespaces grows with the square of their number.
const MAX_ATTRIBUTES: usize = 512;

/// Why there is no answer that is of use.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("no connection: {0}")]
    Connection(#[from] std::io::Error),
    #[error("no answer in time")]
    Silent,
    #[error("the request cannot be written: {0}")]
    Request(#[from] http::Error),
    #[error("not HTTP: {0}")]
    Http(#[from] hyper::Error),
    #[error("the answer is too long, or breaks off")]
    Body,
    #[error("the answer makes no sense")]
    Nonsense,
    #[error("refused, with the code {0}")]
    Refused(u16),
}

/// Where a router can be told something.
#[derive(Debug, Clone)]
pub struct Place {
    pub router: Router,
    pub port: u16,
    pub path: Uri,
}

/// The document at a place.
pub async fn get(place: &Place) -> Result<String, Failure> {
    exchange(place, Request::get(target(&place.path)), String::new()).await
}

/// Calls an action of a service, and returns the document that answers.
pub async fn call(
    place: &Place,
    (service, action): (&str, &str),
    arguments: &[(&str, &str)],
) -> Result<String, Failure> {
    let arguments =
        arguments.iter().flat_map(|(name, value)| ["<", name, ">", value, "</", name, ">"]);
    let arguments: String = arguments.collect();
    let body = format!(
        "<?xml version=\"1.0\"?>\r\n\
         <s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body>\
         <u:{action} xmlns:u=\"{service}\">{arguments}</u:{action}></s:Body></s:Envelope>\r\n"
    );
    let request = Request::post(target(&place.path))
        .header(CONTENT_TYPE, "text/xml; charset=\"utf-8\"")
        .header("SOAPAction", format!("\"{service}#{action}\""));
    exchange(place, request, body).await
}

fn target(url: &Uri) -> &str {
    url.path_and_query().map_or("/", |target| target.as_str())
}

async fn exchange(place: &Place, request: Builder, body: String) -> Result<String, Failure> {
    let Place { router, port, .. } = *place;
    let request = request
        // At which interface it is, is nothing to it.
        .header(HOST, SocketAddr::new(router.ip, port).to_string())
        .header(CONNECTION, "close")
        .body(Full::<Bytes>::from(body))?;
    let talk = async {
        let socket = if router.ip.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.bind(SocketAddr::new(router.own, 0))?;
        let stream = socket.connect(router.at(port)).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let answer = async move {
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MAX_BODY).collect().await;
            let body = body.map_err(|_| Failure::Body)?.to_bytes();
            let text = String::from_utf8_lossy(&body).into_owned();
            if status.is_success() {
                return Ok(text);
            }
            let answer = parse(&text).ok();
            let code = answer.and_then(|answer| value(answer.root(), "errorCode")?.parse().ok());
            Err(Failure::Refused(code.unwrap_or(status.as_u16())))
        };
        // How the connection ends is of no interest once the answer is there.
        join(answer, connection).await.0
    };
    timeout(PATIENCE, talk).await.unwrap_or(Err(Failure::Silent))
}

/// Reads an answer.
pub fn parse(text: &str) -> Result<Document<'_>, Failure> {
    if text.bytes().filter(|byte| *byte == b'=').count() > MAX_ATTRIBUTES {
        return Err(Failure::Nonsense);
    }
    let options = ParsingOptions { nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|_| Failure::Nonsense)
}

/// The text in the first element of this name below this one.
pub fn value<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    let found = node.descendants().find(|node| node.tag_name().name() == name);
    found.and_then(|node| node.text()).map(str::trim)
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// What comes of a router that answers so.
    async fn asked(answer: Vec<u8>) -> Result<String, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let localhost = [127, 0, 0, 1].into();
        let place = Place {
            router: Router { ip: localhost, interface: 0, own: localhost },
            port: listener.local_addr().unwrap().port(),
            path: Uri::from_static("/ctl"),
        };
        let serve = async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await.unwrap();
            // It may have had enough before all is said.
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
            // Whoever waits for more waits in vain.
            tokio::time::sleep(PATIENCE * 2).await;
        };
        let serving = tokio::spawn(serve);
        let answer = call(&place, ("urn:x:service:Y:1", "Do"), &[("A", "1")]).await;
        serving.abort();
        answer
    }

    fn response(status: &str, body: &str) -> Vec<u8> {
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into()
    }

    #[tokio::test]
    async fn an_answer_is_read_and_a_refusal_has_its_code() {
        let answer = asked(response("200 OK", "<s:E xmlns:s='x'><A> 7 </A></s:E>")).await.unwrap();
        assert_eq!(value(parse(&answer).unwrap().root(), "A"), Some("7"));
        let refusal = "<Fault><detail><errorCode>718</errorCode></detail></Fault>";
        let answer = asked(response("500 Internal Server Error", refusal)).await;
        assert!(matches!(answer, Err(Failure::Refused(718))), "{answer:?}");
        let answer = asked(response("404 Not Found", "no")).await;
        assert!(matches!(answer, Err(Failure::Refused(404))), "{answer:?}");
    }

    #[tokio::test]
    async fn a_hostile_answer_costs_little() {
        let long = asked(response("200 OK", &"x".repeat(MAX_BODY + 1))).await;
        assert!(matches!(long, Err(Failure::Body)), "{long:?}");
        let endless = asked(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx".to_vec()).await;
        assert!(matches!(endless, Err(Failure::Body)), "{endless:?}");
        let other = asked(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()).await;
        assert!(matches!(other, Err(Failure::Http(_))), "{other:?}");
        let silent = asked(Vec::new()).await;
        assert!(silent.is_err(), "{silent:?}");

        let nested = "<a>".repeat(MAX_BODY / 3);
        assert!(matches!(parse(&nested), Err(Failure::Nonsense)));
        let many = format!("<a>{}</a>", "<b/>".repeat(MAX_NODES as usize));
        assert!(matches!(parse(&many), Err(Failure::Nonsense)));
        let spaces: Vec<_> = (0..3300).map(|number| format!(" xmlns:a{number:x}='b'")).collect();
        let inherited = format!("<a{}>{}</a>", spaces.concat(), "<b xmlns:c='d'/>".repeat(1300));
        assert!(matches!(parse(&inherited), Err(Failure::Nonsense)));
        let entities = "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>";
        assert!(matches!(parse(entities), Err(Failure::Nonsense)));
    }
}
