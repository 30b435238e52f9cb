//! How letters are sent: SMTP, encrypted by rustls.

use std::{path::PathBuf, time::Duration};

use jiff::Timestamp;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Attachment, MessageBuilder, MultiPart, SinglePart, header::ContentType},
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, CertificateStore, Tls as Encryption, TlsParameters},
        extension::ClientId,
    },
};
use tidegate_api::Span;
use tidegate_endpoints::secret;

use super::{
    kind::{Email, Tls},
    outcome::Outcome,
    receivers::Letter,
    way::root,
};

/// The server does not let in whoever asks, whatever is sent: no or wrong credentials.
/// <https://www.rfc-editor.org/rfc/rfc4954#section-6>
const NOT_LET_IN: [u16; 4] = [530, 534, 535, 538];

/// What a picture is.
const SVG: &str = "image/svg+xml";

/// The way to a server of letters.
pub struct Mailer {
    mail: Email,
    encryption: Encryption,
}

impl Mailer {
    /// A way to the server of `mail`.
    ///
    /// # Errors
    /// The field of it that cannot be used, and why.
    pub fn new(mail: &Email) -> Result<Self, (&'static str, String)> {
        let parameters = || {
            let mut builder = TlsParameters::builder(mail.host.clone());
            if let Some(file) = &mail.ca_file {
                let why = |why: String| format!("{}: {why}", file.display());
                let pem = std::fs::read(file).map_err(|error| why(error.to_string()))?;
                let certificate = Certificate::from_pem(&pem).map_err(|error| why(root(&error)))?;
                builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
            }
            builder.build_rustls().map_err(|error| root(&error))
        };
        let encryption = match mail.tls {
            Tls::Never => Encryption::None,
            Tls::Always => Encryption::Wrapper(parameters().map_err(|why| ("caFile", why))?),
            Tls::StartTls => Encryption::Required(parameters().map_err(|why| ("caFile", why))?),
        };
        let mailer = Self { mail: mail.clone(), encryption };
        mailer.credentials().map_err(|why| ("passwordFile", why))?;
        Ok(mailer)
    }

    /// Sends `letter`, which is written at `now`.
    pub async fn send(&self, letter: &Letter, now: Timestamp) -> Outcome {
        let credentials = match self.credentials() {
            Ok(credentials) => credentials,
            Err(why) => return Outcome::unwelcome(why),
        };
        let message = match self.message(letter, now) {
            Ok(message) => message,
            Err(error) => return Outcome::Refused(format!("no letter can be made of it: {}", root(&error))),
        };
        let patience = self.mail.timeout.duration();
        let transport = self.transport(credentials, patience);
        match tokio::time::timeout(patience, transport.send(message)).await {
            Ok(Ok(_)) => Outcome::Delivered,
            Ok(Err(error)) => {
                let why = format!("it answers {}", root(&error));
                match error.status().map(u16::from) {
                    Some(code) if NOT_LET_IN.contains(&code) => Outcome::unwelcome(why),
                    Some(_) if error.is_permanent() => Outcome::Refused(why),
                    Some(_) => Outcome::later(why),
                    None => Outcome::later(format!("it cannot be reached: {}", root(&error))),
                }
            }
            Err(_) => Outcome::later(format!("it does not answer within {}", Span::from(patience))),
        }
    }

    fn transport(&self, credentials: Option<Credentials>, patience: Duration) -> AsyncSmtpTransport<Tokio1Executor> {
        let usual = match self.mail.tls {
            Tls::StartTls => 587,
            Tls::Always => 465,
            Tls::Never => 25,
        };
        let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&self.mail.host)
            .port(self.mail.port.unwrap_or(usual))
            .hello_name(ClientId::Domain("tidegate".to_owned()))
            .timeout(Some(patience))
            .tls(self.encryption.clone());
        match credentials {
            Some(credentials) => builder.credentials(credentials).build(),
            None => builder.build(),
        }
    }

    fn message(&self, letter: &Letter, now: Timestamp) -> Result<Message, lettre::error::Error> {
        let builder: MessageBuilder = Message::builder()
            .from(self.mail.from.clone())
            .subject(letter.subject.clone())
            .date(std::time::SystemTime::from(now))
            .message_id(Some(letter.message_id.clone()));
        let builder = self.mail.to.iter().fold(builder, |builder, to| builder.to(to.clone()));
        let builder = letter
            .thread
            .iter()
            .fold(builder, |builder, thread| builder.references(thread.clone()).in_reply_to(thread.clone()));
        let Some(picture) = &letter.picture else {
            return builder.header(ContentType::TEXT_PLAIN).body(letter.body.clone());
        };
        let kind = ContentType::parse(SVG).unwrap_or(ContentType::TEXT_PLAIN);
        let attached = Attachment::new("rollout.svg".to_owned()).body(picture.clone(), kind);
        builder.multipart(MultiPart::mixed().singlepart(SinglePart::plain(letter.body.clone())).singlepart(attached))
    }

    /// The user and the password, read anew so that it may be rotated.
    fn credentials(&self) -> Result<Option<Credentials>, String> {
        let file: Option<&PathBuf> = self.mail.password_file.as_ref();
        let (Some(user), Some(file)) = (&self.mail.username, file) else { return Ok(None) };
        let password = secret(file).map_err(|fault| fault.to_string())?;
        Ok(Some(Credentials::new(user.clone(), password)))
    }
}
