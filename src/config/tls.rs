//! `server.tls`: the certificates of the door, and whose clients it lets in.

use super::{
    pem,
    reader::{Reported, Table, Value},
    values::{one_of, some_of},
};
use crate::{
    edge::{ClientAuthorities, DoorTls, ServerCertificate},
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

fn entry<'a>(value: &Value<'a>, is_first: bool) -> Result<Entry<'a>, Reported> {
    let mut table = value.table()?;
    let chain = table.required("cert", pem::CERTIFICATE, Ok);
    let key = table.required("key", pem::KEY, Ok);
    let certificate = match (chain, key) {
        (Ok(chain), Ok(key)) => certificate(&chain, &key, is_first),
        _ => Err(Reported),
    };
    let clients = clients(&mut table);
    table.finish();
    Ok((certificate?, clients?))
}

fn certificate(chain: &Value<'_>, key: &Value<'_>, is_first: bool) -> Result<ServerCertificate, Reported> {
    let certificate = pem::pair(chain, key, ServerCertificate::from_pem)?;
    let (from, to) = certificate.validity();
    let now = SystemClock.now();
    if now > to {
        chain.warn(format!("the certificate expired at {to}"), "renew it: clients refuse it");
    } else if now < from {
        chain.warn(format!("the certificate is valid only from {from} on"), "see that the clock is right");
    }
    if !is_first && !certificate.has_names() {
        let help = "give it a subjectAltName, or remove it";
        chain.warn("the certificate names no host, so no client ever gets it", help);
    }
    Ok(certificate)
}

fn clients<'a>(table: &mut Table<'a>) -> Result<Option<Clients<'a>>, Reported> {
    const NEEDS: [(&str, bool); 2] = [("required", true), ("optional", false)];
    let required = table.or("client_auth", true, |value| one_of(&value, &NEEDS));
    let clients = table.optional("client_ca", |value| {
        let authorities = pem::authorities(&value, |text| ClientAuthorities::from_pem(text, required))?;
        Ok(Clients { file: value.text()?, required, authorities })
    })?;
    if clients.is_none() && table.has("client_auth") {
        return Err(table.refuse("client_auth", "there is no `client_ca` to tell clients by", "name one"));
    }
    Ok(clients)
}
