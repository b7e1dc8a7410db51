//! `[identity]`: the header names that an upstream is told the caller by. A preset is a family of names that some
//! other gateway uses, so that an API behind it need not change.

use http::HeaderName;

use super::{headers::identity_name, reader::Table, values::one_of};
use crate::edge::{IdentityNames, ListStyle, ReservedNames};

/// A family of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Preset {
    Portcullis,
    Kong,
    Oauth2Proxy,
    None,
}

impl Preset {
    const ALL: [(&'static str, Self); 4] = [
        ("portcullis", Self::Portcullis),
        ("kong", Self::Kong),
        ("oauth2-proxy", Self::Oauth2Proxy),
        ("none", Self::None),
    ];

    fn list_style(self) -> ListStyle {
        match self {
            Self::Portcullis | Self::None => ListStyle::Blanks,
            Self::Kong | Self::Oauth2Proxy => ListStyle::Commas,
        }
    }

    fn names(self) -> IdentityNames {
        let names = |names: &[&'static str]| names.iter().map(|name| HeaderName::from_static(name)).collect();
        let scopes = |name| vec![(HeaderName::from_static(name), self.list_style())];
        match self {
            Self::Portcullis => IdentityNames {
                owner: names(&["x-portcullis-owner"]),
                owner_name: names(&["x-portcullis-owner-name"]),
                client: names(&["x-portcullis-client"]),
                client_name: names(&["x-portcullis-client-name"]),
                scopes: scopes("x-portcullis-scopes"),
                audience: names(&["x-portcullis-audience"]),
                token_id: names(&["x-portcullis-token-id"]),
            },
            Self::Kong => IdentityNames {
                owner: names(&["x-consumer-id", "x-consumer-custom-id"]),
                owner_name: names(&["x-consumer-username"]),
                client: names(&["x-credential-identifier"]),
                scopes: scopes("x-authenticated-scope"),
                ..IdentityNames::default()
            },
            Self::Oauth2Proxy => IdentityNames {
                owner: names(&["x-forwarded-user"]),
                owner_name: names(&["x-forwarded-preferred-username"]),
                scopes: scopes("x-forwarded-groups"),
                ..IdentityNames::default()
            },
            Self::None => IdentityNames::default(),
        }
    }

    /// The names that an API which knows this preset may believe, told by Portcullis or not.
    fn reserve(self, reserved: &mut ReservedNames) {
        match self {
            Self::Portcullis | Self::None => {}
            Self::Kong => {
                for family in ["X-Consumer-", "X-Credential-", "X-Authenticated-"] {
                    reserved.add_family(family);
                }
                reserved.add_name("X-Anonymous-Consumer");
            }
            Self::Oauth2Proxy => {
                for told in ["User", "Email", "Groups", "Preferred-Username", "Access-Token"] {
                    reserved.add_name(&format!("X-Forwarded-{told}"));
                }
                reserved.add_family("X-Auth-Request-");
            }
        }
    }
}

/// What an upstream is told, and by which family of names.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) names: IdentityNames,
    preset: Preset,
}

impl Identity {
    /// Adds every name that no client may send, because this identity is told by it or by its family.
    pub(super) fn reserve(&self, reserved: &mut ReservedNames) {
        reserved.add_family("X-Portcullis-");
        self.preset.reserve(reserved);
        let IdentityNames { owner, owner_name, client, client_name, scopes, audience, token_id } = &self.names;
        let single = [owner, owner_name, client, client_name, audience, token_id].into_iter().flatten();
        for name in single.chain(scopes.iter().map(|(name, _)| name)) {
            reserved.add_name(name.as_str());
        }
    }
}

/// Reads `[identity]` or an upstream's own.
pub(super) fn identity(mut table: Table<'_>) -> Identity {
    let preset = table.or("preset", Preset::Portcullis, |value| one_of(&value, &Preset::ALL));
    let names = preset.names();
    let style = preset.list_style();
    let mut role = |key, default| table.or(key, default, |value| Ok(vec![identity_name(&value)?]));
    let names = IdentityNames {
        owner: role("owner", names.owner),
        owner_name: role("owner_name", names.owner_name),
        client: role("client", names.client),
        client_name: role("client_name", names.client_name),
        audience: role("audience", names.audience),
        token_id: role("token_id", names.token_id),
        scopes: table.or("scopes", names.scopes, |value| Ok(vec![(identity_name(&value)?, style)])),
    };
    refuse_doubles(&table, &names);
    table.finish();
    Identity { names, preset }
}

/// One name cannot tell two things.
fn refuse_doubles(table: &Table<'_>, names: &IdentityNames) {
    let scopes: Vec<HeaderName> = names.scopes.iter().map(|(name, _)| name.clone()).collect();
    let roles = [
        ("owner", &names.owner),
        ("owner_name", &names.owner_name),
        ("client", &names.client),
        ("client_name", &names.client_name),
        ("scopes", &scopes),
        ("audience", &names.audience),
        ("token_id", &names.token_id),
    ];
    // The preset's own names first: then it is the name somebody wrote that is found to be taken.
    let (own, preset): (Vec<_>, Vec<_>) = roles.into_iter().partition(|(role, _)| table.has(role));
    let mut seen = ReservedNames::default();
    for (role, names) in preset.into_iter().chain(own) {
        for name in names {
            if seen.covers(name.as_str()) {
                table.refuse(role, format!("`{name}` tells something else already"), "choose another name");
            }
            seen.add_name(name.as_str());
        }
    }
}
