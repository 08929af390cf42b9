use aws_lc_rs::{
    encoding::AsDer as _,
    rand::SystemRandom,
    rsa::{self, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
        RsaKeyPair,
    },
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{digest, encode_base64url};
use crate::{config::SigningAlgorithm, types::Fault};

/// What a JWT is, as its header says (`typ`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwtType {
    /// `at+jwt` (RFC 9068 §2.1)
    AccessToken,
    /// `JWT`
    IdToken,
}

impl JwtType {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccessToken => "at+jwt",
            Self::IdToken => "JWT",
        }
    }
}

/// A key that signs tokens, parsed once: signing with it costs the signature and nothing else.
pub struct SigningKey {
    pair: Pair,
    kid: String,
    jwk: Value,
    access_token_header: String,
    id_token_header: String,
}

enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

impl SigningKey {
    /// Makes a key; returns it as PKCS#8, for sealing.
    ///
    /// # Errors
    ///
    /// If the machine has no randomness to give.
    pub fn generate(algorithm: SigningAlgorithm) -> Result<Zeroizing<Vec<u8>>, Fault> {
        Ok(Zeroizing::new(match algorithm {
            SigningAlgorithm::ES256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                .and_then(|pair| pair.to_pkcs8v1())
                .map_err(Fault::internal)?
                .as_ref()
                .to_vec(),
            SigningAlgorithm::EdDSA => Ed25519KeyPair::generate()
                .and_then(|pair| pair.to_pkcs8v1())
                .map_err(Fault::internal)?
                .as_ref()
                .to_vec(),
            SigningAlgorithm::RS256 => rsa::KeyPair::generate(KeySize::Rsa2048)
                .and_then(|pair| pair.as_der())
                .map_err(Fault::internal)?
                .as_ref()
                .to_vec(),
        }))
    }

    /// Reads a key from PKCS#8.
    ///
    /// # Errors
    ///
    /// If it is no key of that algorithm.
    pub fn from_pkcs8(algorithm: SigningAlgorithm, pkcs8: &[u8]) -> Result<Self, Fault> {
        let (pair, mut jwk) = match algorithm {
            SigningAlgorithm::ES256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
                    .map_err(Fault::internal)?;
                // 0x04 ‖ x ‖ y (SEC 1 §2.3.3)
                let point = pair.public_key().as_ref();
                let (x, y) = point
                    .get(1..)
                    .unwrap_or_default()
                    .split_at_checked(32)
                    .unwrap_or_default();
                let jwk = json!({ "crv": "P-256", "kty": "EC", "x": encode_base64url(x), "y": encode_base64url(y) });
                (Pair::Es256(pair), jwk)
            }
            SigningAlgorithm::EdDSA => {
                let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(Fault::internal)?;
                let jwk = json!({ "crv": "Ed25519", "kty": "OKP", "x": encode_base64url(pair.public_key().as_ref()) });
                (Pair::EdDsa(pair), jwk)
            }
            SigningAlgorithm::RS256 => {
                let pair = RsaKeyPair::from_pkcs8(pkcs8).map_err(Fault::internal)?;
                let public = pair.public_key();
                let jwk = json!({
                    "e": encode_base64url(public.exponent().big_endian_without_leading_zero()),
                    "kty": "RSA",
                    "n": encode_base64url(public.modulus().big_endian_without_leading_zero()),
                });
                (Pair::Rs256(pair), jwk)
            }
        };
        // RFC 7638 §3: the required members alone, in lexicographic order, as serde_json's map keeps them.
        let kid = encode_base64url(&digest(jwk.to_string().as_bytes()));
        if let Value::Object(members) = &mut jwk {
            members.insert("alg".into(), json!(algorithm));
            members.insert("kid".into(), json!(kid));
            members.insert("use".into(), json!("sig"));
        }
        let header = |typ: JwtType| {
            let header = json!({ "alg": algorithm, "kid": kid, "typ": typ.name() });
            encode_base64url(header.to_string().as_bytes())
        };
        Ok(Self {
            access_token_header: header(JwtType::AccessToken),
            id_token_header: header(JwtType::IdToken),
            pair,
            kid,
            jwk,
        })
    }

    #[must_use]
    pub const fn algorithm(&self) -> SigningAlgorithm {
        match self.pair {
            Pair::Es256(_) => SigningAlgorithm::ES256,
            Pair::EdDsa(_) => SigningAlgorithm::EdDSA,
            Pair::Rs256(_) => SigningAlgorithm::RS256,
        }
    }

    /// The thumbprint of the public key (RFC 7638), as tokens name it.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key (RFC 7517 §4).
    #[must_use]
    pub const fn public_jwk(&self) -> &Value {
        &self.jwk
    }

    /// Signs `payload` as a compact JWT of that type (RFC 7515 §3.1).
    ///
    /// # Errors
    ///
    /// If the machine has no randomness to give.
    pub fn sign(&self, typ: JwtType, payload: &[u8]) -> Result<String, Fault> {
        let header = match typ {
            JwtType::AccessToken => &self.access_token_header,
            JwtType::IdToken => &self.id_token_header,
        };
        let mut jwt = format!("{header}.{}", encode_base64url(payload));
        let signature = match &self.pair {
            Pair::Es256(pair) => encode_base64url(
                pair.sign(&SystemRandom::new(), jwt.as_bytes())
                    .map_err(Fault::internal)?
                    .as_ref(),
            ),
            Pair::EdDsa(pair) => encode_base64url(pair.sign(jwt.as_bytes()).as_ref()),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &SystemRandom::new(),
                    jwt.as_bytes(),
                    &mut signature,
                )
                .map_err(Fault::internal)?;
                encode_base64url(&signature)
            }
        };
        jwt.push('.');
        jwt.push_str(&signature);
        Ok(jwt)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({:?} {})", self.algorithm(), self.kid)
    }
}
