//! The control plane's keys: rustls refuses a server certificate that is its own CA, so there is a CA and a leaf.

use std::{fs, path::Path};

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// Writes `ca.crt`, `server.crt`, `server.key`, `sa.key` and `sa.pub` into `directory`.
pub fn write(directory: &Path) -> Result<()> {
    let authority_key = KeyPair::generate()?;
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "rig authority");
    fs::write(directory.join("ca.crt"), authority.self_signed(&authority_key)?.pem())?;

    let server_key = KeyPair::generate()?;
    let names = ["127.0.0.1", "localhost"].map(str::to_owned);
    let server = CertificateParams::new(names)?.signed_by(&server_key, &Issuer::new(authority, authority_key))?;
    fs::write(directory.join("server.crt"), server.pem())?;
    fs::write(directory.join("server.key"), server_key.serialize_pem())?;

    let accounts = KeyPair::generate()?;
    fs::write(directory.join("sa.key"), accounts.serialize_pem())?;
    fs::write(directory.join("sa.pub"), accounts.public_key_pem())?;
    Ok(())
}
