//! Letters, to a server that listens on this machine.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use tidegate_notify::{Notice, Notifications, Outcome, Way, sample};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// Takes letters, and answers to `DATA` with `answer`.
struct Server {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(to: &'static str, answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = heard.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = serve(stream, to, answer, &log).await;
            }
        });
        Self { port, heard }
    }

    async fn told(&self, notice: &Notice) -> Outcome {
        let text = format!(
            "receivers: [{{name: it, email: {{host: 127.0.0.1, port: {}, tls: Never, timeout: 2s, from: 'Tidegate <t@example.com>', \
             to: [a@example.com, 'B <b@example.com>']}}}}]\nroutes: []",
            self.port
        );
        let config = Notifications::parse(&text, "n.yaml").unwrap();
        Way::all(&config).unwrap()[0].tell(notice, notice.at).await
    }

    fn heard(&self) -> String {
        self.heard.lock().unwrap().join("\n")
    }
}

/// Answers to `to` with `answer`, and to all else as a server does that takes it.
async fn serve<S>(stream: S, to: &str, answer: &str, heard: &Mutex<Vec<String>>) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite,
{
    let (read, mut write) = tokio::io::split(stream);
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 here\r\n").await?;
    let mut is_letter = false;
    while let Some(line) = lines.next_line().await? {
        heard.lock().unwrap().push(line.clone());
        let command = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
        let said = match command.as_str() {
            _ if is_letter && line != "." => continue,
            _ if is_letter && to == "." => answer,
            "QUIT" => "221 bye",
            command if !is_letter && command == to => answer,
            "EHLO" if !is_letter => "250-here\r\n250 AUTH PLAIN",
            "AUTH" if !is_letter => "235 welcome",
            "DATA" if !is_letter => "354 go on",
            _ => "250 yes",
        };
        is_letter = said.starts_with("354");
        write.write_all(format!("{said}\r\n").as_bytes()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_letter_says_what_happened_to_all_who_are_named() {
    let server = Server::start("NONE", "").await;
    let notice = Notice { message: "ä <b>6%</b>\n.\nof 114".to_owned(), ..sample::notice("Reverted") };
    assert_eq!(server.told(&notice).await, Outcome::Delivered);
    let heard = server.heard();
    for part in [
        "MAIL FROM:<t@example.com>",
        "RCPT TO:<a@example.com>",
        "RCPT TO:<b@example.com>",
        "Subject: Failure: shop/checkout: Reverted",
        "Content-Type: text/plain; charset=utf-8",
        "Date: Tue, 03 Mar 2026 02:02:15 +0000",
        "Message-ID: <",
        "References: <",
    ] {
        assert!(heard.contains(part), "{part} is not in\n{heard}");
    }
}

#[tokio::test]
async fn the_letter_at_the_end_of_a_release_has_its_picture_attached() {
    let server = Server::start("NONE", "").await;
    let notice = Notice { course: Some(sample::course("Reverted")), ..sample::notice("Reverted") };
    assert_eq!(server.told(&notice).await, Outcome::Delivered);
    let heard = server.heard();
    for part in [
        "Content-Type: multipart/mixed;",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Disposition: attachment; filename=\"rollout.svg\"",
        "Content-Type: image/svg+xml",
    ] {
        assert!(heard.contains(part), "{part} is not in\n{heard}");
    }
}

#[tokio::test]
async fn a_server_that_is_busy_is_tried_again_and_one_that_refuses_is_not() {
    let notice = sample::notice("Reverted");
    let busy = Server::start(".", "451 later").await.told(&notice).await;
    assert!(matches!(busy, Outcome::Later { is_unwelcome: false, .. }), "{busy:?}");
    let refused = Server::start("RCPT", "550 nobody is called so").await.told(&notice).await;
    let Outcome::Refused(why) = refused else { panic!("{refused:?}") };
    assert!(why.contains("550") && why.contains("nobody is called so"), "{why}");
    let wants_to_know = Server::start("MAIL", "530 who are you").await.told(&notice).await;
    assert!(matches!(wants_to_know, Outcome::Later { is_unwelcome: true, .. }), "{wants_to_know:?}");
    let nobody = Server { port: 1, heard: Arc::default() }.told(&notice).await;
    assert!(matches!(nobody, Outcome::Later { is_unwelcome: false, .. }), "{nobody:?}");
}

/// A server that is encrypted from the beginning on, with its certificate in a file.
async fn encrypted(folder: &Path) -> (u16, Arc<Mutex<Vec<String>>>, PathBuf) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let issued = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let file = folder.join("ca.crt");
    std::fs::write(&file, issued.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![issued.cert.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, heard) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(Vec::new())));
    let log = heard.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                let _ = serve(stream, "NONE", "", &log).await;
            }
        }
    });
    (port, heard, file)
}

#[tokio::test]
async fn an_encrypted_server_is_trusted_by_its_own_certificate_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (port, heard, ca) = encrypted(folder.path()).await;
    let password = folder.path().join("password");
    std::fs::write(&password, "s3cret\n").unwrap();
    let told = async |ca: &str| {
        let text = format!(
            "receivers: [{{name: it, email: {{host: localhost, port: {port}, tls: Always{ca}, from: t@example.com, to: [a@example.com], \
             username: me, passwordFile: '{}'}}}}]\nroutes: []",
            password.display()
        );
        let notice = sample::notice("Reverted");
        let config = Notifications::parse(&text, "n.yaml").unwrap();
        Way::all(&config).unwrap()[0].tell(&notice, notice.at).await
    };
    let unknown = told("").await;
    assert!(matches!(unknown, Outcome::Later { .. }), "{unknown:?}");
    assert!(heard.lock().unwrap().is_empty(), "nothing is said to whoever is not known");
    let trusted = told(&format!(", caFile: '{}'", ca.display())).await;
    assert_eq!(trusted, Outcome::Delivered);
    assert!(heard.lock().unwrap().iter().any(|line| line.starts_with("MAIL FROM:<t@example.com>")));
}
