//! The server that takes uploads, in the clear and in TLS.

use super::*;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};

/// A certificate and its key for these tests alone.
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBgDCCASWgAwIBAgIUdbBh5LA78YMvny1eMIDEfal3RCwwCgYIKoZIzj0EAwIw\n\
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEzMDE4NTkzN1oYDzIxMjYxMTA2\n\
MTg1OTM3WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO\n\
PQMBBwNCAASHhOlHCwDegqEqNF2gI3dnNDxq6NWn4NyGbUQ7RRNWgLx02acj28vb\n\
1WgG7nAQcrGxUyHqo+01+VLAAhmCA49Lo1MwUTAdBgNVHQ4EFgQUR5rBx6eiahx7\n\
zwXWcRpdZTV9zOYwHwYDVR0jBBgwFoAUR5rBx6eiahx7zwXWcRpdZTV9zOYwDwYD\n\
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEAwVjEynvWDvuqdhd0i6Ht\n\
v7jc0gr8LdU0PTJuaL0sQD0CIQCo9SyWXEoBLkrTAteE4u4yyyYK5BM1jkv0xnhj\n\
DacWvQ==\n\
-----END CERTIFICATE-----\n";
const KEY: &str = "\
-----BEGIN PRIVATE KEY-----\n\
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgTIJnwh1KTimyCxYn\n\
deq1ett+7Kv1z0qIuEyImV7DI+ahRANCAASHhOlHCwDegqEqNF2gI3dnNDxq6NWn\n\
4NyGbUQ7RRNWgLx02acj28vb1WgG7nAQcrGxUyHqo+01+VLAAhmCA49L\n\
-----END PRIVATE KEY-----\n";

/// Takes every certificate, as the proxies are told to.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 is spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

fn ask(requests: &[u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.write_all(requests).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let (server, _) = listener.accept().unwrap();
    // An error ends the connection, which is what the client is to see.
    connection(server, &Pattern::new()).ok();
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn uploads_over_tls_are_checked_too() {
    let folder = std::env::temp_dir().join(format!("flatend-sink-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (certificate, key) = (folder.join("c.pem"), folder.join("k.pem"));
    std::fs::write(&certificate, CERTIFICATE).unwrap();
    let missing = server_config(&certificate, &key).unwrap_err();
    assert!(missing.contains("k.pem for TLS"), "{missing}");
    std::fs::write(&key, KEY).unwrap();
    let server = server_config(&certificate, &key).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    accept(listener, Some(server));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    let session = ClientConnection::new(Arc::new(client), "localhost".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(session, TcpStream::connect(addr).unwrap());
    let bytes = 300_000;
    let head =
        format!("POST /count HTTP/1.1\r\nConnection: close\r\nContent-Length: {bytes}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let pattern = Pattern::new();
    let mut sent = 0;
    while sent < bytes {
        let piece = pattern.piece(sent, bytes - sent);
        stream.write_all(piece).unwrap();
        sent += piece.len() as u64;
    }
    let mut answer = [0; 90];
    let mut got = 0;
    while !answer[..got].ends_with(b"300000") {
        match stream.read(&mut answer[got..]).unwrap() {
            0 => panic!("cut: {}", String::from_utf8_lossy(&answer[..got])),
            count => got += count,
        }
    }
    let suite = stream
        .conn
        .negotiated_cipher_suite()
        .map(|suite| suite.suite());
    assert_eq!(suite, Some(CipherSuite::TLS13_AES_256_GCM_SHA384));
}

#[test]
fn uploads_are_counted_and_checked() {
    let pattern = Pattern::new();
    let mut request = b"POST /count HTTP/1.1\r\ncontent-length: 1000\r\n\r\n".to_vec();
    request.extend_from_slice(pattern.piece(0, 1_000));
    let answer = ask(&request);
    assert!(
        answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("\r\n\r\n1000"),
        "{answer}"
    );
    *request.last_mut().unwrap() ^= 1;
    assert!(ask(&request).starts_with("HTTP/1.1 422 "));
    request.truncate(request.len() - 1);
    assert_eq!(ask(&request), "", "a cut one has no answer");
    assert!(ask(b"GET /hello HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n0"));
    assert_eq!(
        ask(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ""
    );
}
