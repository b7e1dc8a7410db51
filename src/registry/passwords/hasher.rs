//! One computation of argon2id after another, in the same memory, and what is verified for those who do not exist.

use std::cell::RefCell;

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::{
        self, CustomizedPasswordHasher, PasswordHasher, PasswordVerifier,
        phc::{Output, ParamsString, PasswordHash, Salt},
    },
};
use zeroize::Zeroize as _;

use crate::model::{HashedSecret, SecretText, random_bytes};

/// OWASP's second choice for argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// What no secret has as its hash, of the form of those that some have: made up, not computed, as nobody would see the
/// difference.
pub(super) fn decoy() -> Result<HashedSecret, password_hash::Error> {
    let random = |_| password_hash::Error::Crypto;
    let phc = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&costs()?)?,
        salt: Some(Salt::new(&random_bytes::<16>().map_err(random)?)?),
        hash: Some(Output::new(&random_bytes::<{ Params::DEFAULT_OUTPUT_LEN }>().map_err(random)?)?),
    };
    Ok(HashedSecret::from_phc(phc.to_string()))
}

fn costs() -> Result<Params, argon2::Error> {
    Params::new(MEMORY_KIB, PASSES, LANES, None)
}

/// Argon2id with the memory that it works in, which is kept from one computation to the next as long as they come. An
/// allocator that gets it back after each cuts pieces off it, and takes it from the system several times over.
pub(super) struct Hasher {
    params: Params,
    memory: RefCell<Vec<Block>>,
}

impl Hasher {
    pub(super) fn new() -> Result<Self, argon2::Error> {
        Ok(Self { params: costs()?, memory: RefCell::default() })
    }

    pub(super) fn give_memory_back(&self) {
        // Nobody holds it between two computations.
        if let Ok(mut memory) = self.memory.try_borrow_mut() {
            memory.zeroize();
            *memory = Vec::new();
        }
    }
}

impl PasswordHasher<PasswordHash> for Hasher {
    fn hash_password_with_salt(&self, password: &[u8], salt: &[u8]) -> password_hash::Result<PasswordHash> {
        self.hash_password_customized(password, salt, None, None, self.params.clone())
    }
}

impl CustomizedPasswordHasher<PasswordHash> for Hasher {
    type Params = Params;

    fn hash_password_customized(
        &self,
        password: &[u8],
        salt: &[u8],
        algorithm: Option<&str>,
        version: Option<u32>,
        params: Params,
    ) -> password_hash::Result<PasswordHash> {
        let algorithm = algorithm.map_or(Ok(Algorithm::Argon2id), Algorithm::try_from)?;
        let version = version.map_or(Ok(Version::V0x13), Version::try_from)?;
        let (salt, text) = (Salt::new(salt)?, ParamsString::try_from(&params)?);
        let (length, blocks) = (params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN), params.block_count());
        let mut memory = self.memory.try_borrow_mut().map_err(|_| password_hash::Error::Internal)?;
        if memory.len() < blocks {
            let missing = blocks - memory.len();
            memory.try_reserve_exact(missing).map_err(|_| password_hash::Error::Internal)?;
            memory.resize(blocks, Block::new());
        }
        let argon2 = Argon2::new(algorithm, version, params);
        let mut output = [0; Output::MAX_LENGTH];
        let output = output.get_mut(..length).ok_or(password_hash::Error::OutputSize)?;
        argon2.hash_password_into_with_memory(password, &salt, output, memory.as_mut_slice())?;
        Ok(PasswordHash {
            algorithm: algorithm.ident(),
            version: Some(version.into()),
            params: text,
            salt: Some(salt),
            hash: Some(Output::new(output)?),
        })
    }
}

pub(super) fn hash(argon2: &Hasher, secret: &SecretText) -> Option<HashedSecret> {
    argon2.hash_password(secret.expose().as_bytes()).ok().map(|phc| HashedSecret::from_phc(phc.to_string()))
}

/// Verification takes the costs from the stored text: one that asks for more than ours is not one of ours.
pub(super) fn verify(argon2: &Hasher, hashed: &HashedSecret, secret: &SecretText) -> bool {
    let Ok(phc) = PasswordHash::new(hashed.as_phc()) else { return false };
    let Ok(params) = Params::try_from(&phc) else { return false };
    params.m_cost() <= MEMORY_KIB
        && params.t_cost() <= PASSES
        && params.p_cost() <= LANES
        && argon2.verify_password(secret.expose().as_bytes(), &phc).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CheckKey, SecretKind};

    fn secret() -> SecretText {
        CheckKey::new([1; 32]).mint(SecretKind::ClientSecret).unwrap().0
    }

    #[test]
    fn each_computation_works_in_the_same_memory_and_comes_to_what_the_library_does() {
        let argon2 = Hasher::new().unwrap();
        let library = Argon2::new(Algorithm::Argon2id, Version::V0x13, argon2.params.clone());
        let (right, wrong) = (secret(), secret());
        let first = hash(&argon2, &right).unwrap();
        let place = argon2.memory.borrow().as_ptr();
        let second = hash(&argon2, &right).unwrap();
        assert_ne!(first.as_phc(), second.as_phc(), "each has a salt of its own");
        for hashed in [&first, &second] {
            library.verify_password(right.expose().as_bytes(), hashed.as_phc()).unwrap();
            assert!(verify(&argon2, hashed, &right) && !verify(&argon2, hashed, &wrong));
        }
        let theirs = HashedSecret::from_phc(library.hash_password(right.expose().as_bytes()).unwrap().to_string());
        assert!(verify(&argon2, &theirs, &right) && !verify(&argon2, &theirs, &wrong));
        assert_eq!(argon2.memory.borrow().as_ptr(), place);
        argon2.give_memory_back();
        assert_eq!(argon2.memory.borrow().capacity(), 0);
        assert!(verify(&argon2, &theirs, &right), "it is taken again when it is needed");
    }

    #[test]
    fn the_decoy_is_of_the_form_of_a_hash_and_another_each_time() {
        let (first, second) = (decoy().unwrap(), decoy().unwrap());
        assert_ne!(first.as_phc(), second.as_phc());
        let hashed = hash(&Hasher::new().unwrap(), &secret()).unwrap();
        assert_eq!(first.as_phc().len(), hashed.as_phc().len());
        let (made_up, real) = (PasswordHash::new(first.as_phc()).unwrap(), PasswordHash::new(hashed.as_phc()).unwrap());
        assert_eq!((made_up.algorithm, made_up.version, made_up.params), (real.algorithm, real.version, real.params));
        assert!(!verify(&Hasher::new().unwrap(), &first, &secret()));
    }

    #[test]
    fn hashes_that_ask_for_more_work_than_ours_are_not_computed() {
        let argon2 = Hasher::new().unwrap();
        let right = secret();
        let hashed = hash(&argon2, &right).unwrap();
        let heavy = HashedSecret::from_phc(hashed.as_phc().replace("t=2", "t=2000"));
        assert!(verify(&argon2, &hashed, &right));
        assert!(!verify(&argon2, &heavy, &right));
    }
}
