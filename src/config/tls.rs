//! `server.tls`: the certificates of the door, and whose clients it lets in.

use zeroize::Zeroizing;

use super::{
    files,
    reader::{Reported, Table, Value},
    values::{one_of, some_of},
};
use crate::{
    edge::{ClientAuthorities, DoorTls, ServerCertificate, TlsError},
    model::{Clock, SystemClock},
};

/// One entry: a certificate, and the authorities of clients with the texts that name them.
type Entry<'a> = (ServerCertificate, Option<Clients<'a>>);

/// `client_ca` and `client_auth`.
struct Clients<'a> {
    file: &'a str,
    required: bool,
    authorities: ClientAuthorities,
}

const EXAMPLE: &str = "write { cert = \"cert.pem\", key = \"key.pem\" }";

/// A table, or a list of them.
pub(super) fn door(value: &Value<'_>) -> Result<DoorTls, Reported> {
    let entries = if value.is_table() {
        vec![entry(value, true)?]
    } else {
        let mut is_first = true;
        some_of(value, EXAMPLE, |item| entry(&item, std::mem::take(&mut is_first)))?
    };
    let clients = same_clients(value, &entries)?;
    let certificates = entries.into_iter().map(|(certificate, _)| certificate).collect();
    DoorTls::new(certificates, clients).map_err(|error| value.refuse(error.to_string(), EXAMPLE))
}

/// Whom the door lets in cannot depend on the name that a client asks for: it could ask for another one.
fn same_clients(value: &Value<'_>, entries: &[Entry<'_>]) -> Result<Option<ClientAuthorities>, Reported> {
    let named = |(_, clients): &Entry<'_>| clients.as_ref().map(|clients| (clients.file.to_owned(), clients.required));
    let first = entries.first().and_then(|first| first.1.as_ref());
    let differs = |entry: &Entry<'_>| named(entry).is_some_and(|other| entries.first().and_then(named) != Some(other));
    if entries.iter().any(differs) {
        let help = "write the same `client_ca` and `client_auth` in the first certificate, and in the others or not";
        return Err(value.refuse("which clients are let in cannot depend on the certificate", help));
    }
    Ok(first.map(|clients| clients.authorities.clone()))
}

/// A file by its name in the configuration, with what is in it.
type Named<'a> = (&'a str, Zeroizing<Vec<u8>>);

fn entry<'a>(value: &Value<'a>, is_first: bool) -> Result<Entry<'a>, Reported> {
    let mut table = value.table()?;
    let read = |value: Value<'a>| Ok((value.text()?, Zeroizing::new(files::content(&value)?)));
    let chain = table.required("cert", "name a PEM file with the certificate and its chain", read);
    let key = table.required("key", "name a PEM file with the certificate's private key", read);
    let certificate = match (chain, key) {
        (Ok(chain), Ok(key)) => certificate(&table, &chain, &key, is_first),
        _ => Err(Reported),
    };
    let clients = clients(&mut table);
    table.finish();
    Ok((certificate?, clients?))
}

fn certificate(
    table: &Table<'_>,
    chain: &Named<'_>,
    key: &Named<'_>,
    is_first: bool,
) -> Result<ServerCertificate, Reported> {
    let certificate = ServerCertificate::from_pem(&chain.1, &key.1).map_err(|error| {
        let (key, file, help) = match error {
            TlsError::Certificate(_) => ("cert", chain.0, "write a PEM file, the server's own certificate first"),
            TlsError::Key(_) | TlsError::Together(_) => {
                ("key", key.0, "write the PEM file of this certificate's own key")
            }
        };
        table.refuse(key, format!("{file}: {error}"), help)
    })?;
    let (from, to) = certificate.validity();
    let now = SystemClock.now();
    if now > to {
        table.warn("cert", format!("the certificate expired at {to}"), "renew it: clients refuse it");
    } else if now < from {
        table.warn("cert", format!("the certificate is valid only from {from} on"), "see that the clock is right");
    }
    if !is_first && !certificate.has_names() {
        let help = "give it a subjectAltName, or remove it";
        table.warn("cert", "the certificate names no host, so no client ever gets it", help);
    }
    Ok(certificate)
}

fn clients<'a>(table: &mut Table<'a>) -> Result<Option<Clients<'a>>, Reported> {
    const NEEDS: [(&str, bool); 2] = [("required", true), ("optional", false)];
    let required = table.or("client_auth", true, |value| one_of(&value, &NEEDS, &[]));
    let clients = table.optional("client_ca", |value| {
        let text = files::content(&value)?;
        let authorities = ClientAuthorities::from_pem(&text, required).map_err(|error| {
            let file = value.text().unwrap_or_default();
            value.refuse(format!("{file}: {error}"), "write a PEM file with the authorities that sign clients")
        })?;
        Ok(Clients { file: value.text()?, required, authorities })
    })?;
    if clients.is_none() && table.has("client_auth") {
        return Err(table.refuse("client_auth", "there is no `client_ca` to tell clients by", "name one"));
    }
    Ok(clients)
}
