//! Secrets: access tokens, client secrets and organisation keys.
//!
//! A plain secret and a hashed one are two types. The plain one is shown once and wiped when dropped; only hashes meet
//! the store. A secret's text ends in check bytes keyed with a key that the store holds, so that a guess is refused by
//! arithmetic alone: no look-up, no password hash.
//!
//! Text: `prt_at_`, `prt_cs_` or `prt_ak_`, then URL-safe base64 of 20 random bytes and 4 check bytes. The check bytes
//! and the digest are separate parts of one HMAC-SHA-256 over the rest, so one computation checks a token and names it.

use std::{borrow::Cow, fmt};

use data_encoding::BASE64URL_NOPAD;
use memchr::memchr_iter;
use ring::hmac;
use zeroize::{Zeroize, Zeroizing};

use super::{RandomError, random_bytes};

/// What every secret's text starts with, whatever its kind.
const MARK: &str = "prt_";
const MARK_END: u8 = b'_';

const RANDOM: usize = 20;
const CHECK: usize = 4;
const ENCODED: usize = 32;

/// What a secret opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    /// An access token, `prt_at_…`.
    AccessToken,
    /// A client's secret, `prt_cs_…`.
    ClientSecret,
    /// An organisation's API key, `prt_ak_…`.
    OrganizationKey,
}

impl SecretKind {
    /// What the text of this kind starts with.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::AccessToken => "prt_at_",
            Self::ClientSecret => "prt_cs_",
            Self::OrganizationKey => "prt_ak_",
        }
    }
}

/// A plain secret: wiped from memory when dropped, never printed by `Debug`, never stored.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes over a text that came from outside.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, to be shown to its owner or compared; nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The text for its owner to see.
    #[must_use]
    pub fn show(&self) -> Shown<'_> {
        Shown(&self.0)
    }

    /// The last four characters, which tell people one secret from another.
    #[must_use]
    pub fn hint(&self) -> String {
        let tail = self.0.chars().count().saturating_sub(4);
        self.0.chars().skip(tail).collect()
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText")
    }
}

/// A plain secret on its way to its owner: written out when serialised and by `Display`, but not by `Debug`.
#[derive(Clone, Copy, serde::Serialize)]
#[serde(transparent)]
pub struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

/// The argon2id hash of a secret in PHC text.
#[derive(Clone, PartialEq, Eq)]
pub struct HashedSecret(String);

impl HashedSecret {
    /// Takes over PHC text.
    #[must_use]
    pub const fn from_phc(phc: String) -> Self {
        Self(phc)
    }

    /// The PHC text, for the store and for verification.
    #[must_use]
    pub fn as_phc(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for HashedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashedSecret")
    }
}

/// A keyed hash of a secret's text: names a token's record, and lets a secret that was verified once be known again.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretDigest([u8; 20]);

impl SecretDigest {
    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest")
    }
}

/// The key of the check bytes: one for each store, made with it.
pub struct CheckKey(hmac::Key);

impl CheckKey {
    /// The key of these bytes.
    #[must_use]
    pub fn new(mut bytes: [u8; 32]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
        bytes.zeroize();
        Self(key)
    }

    /// A new secret of `kind`, with its digest.
    ///
    /// # Errors
    /// [`RandomError`] if the system has no randomness to give.
    pub fn mint(&self, kind: SecretKind) -> Result<(SecretText, SecretDigest), RandomError> {
        let random = Zeroizing::new(random_bytes::<RANDOM>()?);
        let (check, digest) = self.sign(kind, &random);
        let mut body = Zeroizing::new([0_u8; RANDOM + CHECK]);
        for (to, from) in body.iter_mut().zip(random.iter().chain(&check)) {
            *to = *from;
        }
        let mut text = String::with_capacity(kind.prefix().len() + ENCODED);
        text.push_str(kind.prefix());
        BASE64URL_NOPAD.encode_append(&*body, &mut text);
        Ok((SecretText::new(text), digest))
    }

    /// The digest of a text that this key made for this kind; nothing for any other text, whatever it is.
    #[must_use]
    pub fn examine(&self, kind: SecretKind, text: &str) -> Option<SecretDigest> {
        let encoded = text.strip_prefix(kind.prefix())?;
        if encoded.len() != ENCODED {
            return None;
        }
        let mut body = Zeroizing::new([0_u8; RANDOM + CHECK]);
        BASE64URL_NOPAD.decode_mut(encoded.as_bytes(), &mut *body).ok()?;
        let (random, given) = body.split_first_chunk::<RANDOM>()?;
        let (check, digest) = self.sign(kind, random);
        // Constant time: every byte is compared, whatever the first ones were.
        let difference = check.iter().zip(given).fold(0, |all, (a, b)| all | (a ^ b));
        (difference == 0).then_some(digest)
    }

    fn sign(&self, kind: SecretKind, random: &[u8; RANDOM]) -> ([u8; CHECK], SecretDigest) {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(kind.prefix().as_bytes());
        context.update(random);
        let tag = context.sign();
        let (mut check, mut digest) = ([0; CHECK], [0; 20]);
        let (head, tail) = tag.as_ref().split_at(CHECK);
        check.copy_from_slice(head);
        for (to, from) in digest.iter_mut().rev().zip(tail.iter().rev()) {
            *to = *from;
        }
        (check, SecretDigest(digest))
    }
}

impl fmt::Debug for CheckKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CheckKey")
    }
}

/// The text with everything that looks like one of our secrets replaced by `prt_***`, in any case.
#[must_use]
pub fn mask_secrets(text: &str) -> Cow<'_, str> {
    let mut rest = text;
    let mut masked = String::new();
    while let Some(start) = find_mark(rest.as_bytes()) {
        let (before, found) = rest.split_at(start);
        masked.push_str(before);
        masked.push_str("prt_***");
        let end =
            found.bytes().position(|b| !(b.is_ascii_alphanumeric() || b == b'_' || b == b'-')).unwrap_or(found.len());
        rest = found.get(end..).unwrap_or_default();
    }
    if masked.is_empty() {
        return Cow::Borrowed(text);
    }
    masked.push_str(rest);
    Cow::Owned(masked)
}

/// Whether something stands in it that looks like one of our secrets, in any case.
#[must_use]
pub fn holds_secret(text: &[u8]) -> bool {
    find_mark(text).is_some()
}

/// Where the mark begins. Its last character is rare elsewhere, so that is what is looked for.
fn find_mark(text: &[u8]) -> Option<usize> {
    memchr_iter(MARK_END, text).find_map(|end| {
        let start = end.checked_sub(MARK.len() - 1)?;
        text.get(start..=end)?.eq_ignore_ascii_case(MARK.as_bytes()).then_some(start)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KINDS: [SecretKind; 3] = [SecretKind::AccessToken, SecretKind::ClientSecret, SecretKind::OrganizationKey];

    fn key() -> CheckKey {
        CheckKey::new([7; 32])
    }

    #[test]
    fn a_minted_secret_is_known_by_its_own_key_and_kind_only() {
        for kind in KINDS {
            let (text, digest) = key().mint(kind).unwrap();
            assert_eq!(key().examine(kind, text.expose()), Some(digest));
            assert_eq!(CheckKey::new([8; 32]).examine(kind, text.expose()), None);
            for other in KINDS.into_iter().filter(|other| *other != kind) {
                let renamed = text.expose().replace(kind.prefix(), other.prefix());
                assert_eq!(key().examine(other, &renamed), None);
            }
        }
    }

    #[test]
    fn any_changed_character_is_noticed() {
        let (text, _) = key().mint(SecretKind::AccessToken).unwrap();
        for (index, old) in text.expose().char_indices() {
            let mut changed = text.expose().to_owned();
            changed.replace_range(index..=index, if old == 'A' { "B" } else { "A" });
            assert_eq!(key().examine(SecretKind::AccessToken, &changed), None, "at {index}");
        }
    }

    #[test]
    fn credentials_fit_one_line_of_base64() {
        let (secret, _) = key().mint(SecretKind::ClientSecret).unwrap();
        let id = super::super::ClientId::random().unwrap();
        assert!(format!("{id}:{}", secret.expose()).len() <= 57);
    }

    #[test]
    fn debug_shows_the_type_and_nothing_else() {
        let (text, digest) = key().mint(SecretKind::ClientSecret).unwrap();
        let hashed = HashedSecret::from_phc("$argon2id$x".into());
        assert_eq!(
            format!("{text:?} {digest:?} {hashed:?} {:?}", key()),
            "SecretText SecretDigest HashedSecret CheckKey"
        );
    }

    #[test]
    fn the_mark_of_a_secret_is_found_wherever_it_stands() {
        for text in ["prt_", "_prt_", "aPRT_b", "p_pr_prt_"] {
            assert!(holds_secret(text.as_bytes()), "{text}");
        }
        for text in ["", "_", "rt_", "prt", "prt-", "pr_t_"] {
            assert!(!holds_secret(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn masking_finds_every_secret() {
        assert!(matches!(mask_secrets("nothing here"), Cow::Borrowed(_)));
        assert_eq!(mask_secrets("a=prt_at_Ab-9_x&b=PRT_CS_q/prt_"), "a=prt_***&b=prt_***/prt_***");
    }

    proptest! {
        #[test]
        fn texts_of_any_kind_and_length_are_refused_without_a_panic(text in "(prt_at_)?\\PC{0,60}") {
            prop_assert_eq!(key().examine(SecretKind::AccessToken, &text), None);
        }

        #[test]
        fn masked_text_holds_no_secret(before in "\\PC{0,20}", after in "\\PC{0,20}") {
            let (text, _) = key().mint(SecretKind::AccessToken).unwrap();
            let line = format!("{before}{}{after}", text.expose());
            prop_assert!(!mask_secrets(&line).contains(text.expose()));
        }
    }
}
