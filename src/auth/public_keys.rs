//! Public keys as they stand in files: PEM blocks and members of a JSON Web Key Set.
//!
//! jsonwebtoken takes much that its verifier later refuses for every token (a private key, another curve,
//! a short modulus): that is found here, when the key is read.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};

use super::keys::name;

/// The key of one PEM block, which begins with its label.
pub(super) fn pem_key(block: &str) -> Result<(DecodingKey, Algorithm), String> {
    let label = block.split("-----").next().unwrap_or_default();
    match label {
        "PUBLIC KEY" | "RSA PUBLIC KEY" => {}
        "CERTIFICATE" => {
            return Err(
                "a certificate: the key alone is needed, `openssl x509 -pubkey -noout` prints it".into()
            );
        }
        other if other.ends_with("PRIVATE KEY") => {
            return Err("a private key: the public one is needed, `openssl pkey -pubout` prints it".into());
        }
        _ => return Err("not a public key: `-----BEGIN PUBLIC KEY-----` is expected".into()),
    }
    let pem = format!("-----BEGIN {block}");
    if let Ok(key) = DecodingKey::from_rsa_pem(pem.as_bytes()) {
        let jwk = Jwk::from_decoding_key(&key, None).map_err(|_| "the RSA key is damaged".to_owned())?;
        return jwk_key(&jwk);
    }
    if let Ok(key) = DecodingKey::from_ec_pem(pem.as_bytes()) {
        return if is_p256(&pem, &key) { Ok((key, Algorithm::ES256)) } else { Err(NOT_P256.into()) };
    }
    match DecodingKey::from_ed_pem(pem.as_bytes()) {
        Ok(key) if key.try_get_as_bytes().is_ok_and(|raw| raw.len() == 32) => Ok((key, Algorithm::EdDSA)),
        _ => Err("neither an RSA nor a P-256 nor an Ed25519 public key".into()),
    }
}

const NOT_P256: &str = "not a key of the curve P-256 (prime256v1), which ES256 needs";

/// Other curves have keys of the same length (secp256k1): the curve's object identifier decides.
fn is_p256(pem: &str, key: &DecodingKey) -> bool {
    const PRIME256V1: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    let der = STANDARD.decode(body).unwrap_or_default();
    der.windows(PRIME256V1.len()).any(|window| window == PRIME256V1)
        && key.try_get_as_bytes().is_ok_and(|point| point.len() == 65)
}

/// Key sets hold keys for other purposes too: those are passed over.
pub(super) fn is_for_signatures(jwk: &Jwk) -> bool {
    let by_use = jwk.common.public_key_use.as_ref().is_none_or(|u| *u == PublicKeyUse::Signature);
    let by_ops = jwk.common.key_operations.as_ref().is_none_or(|ops| ops.contains(&KeyOperations::Verify));
    by_use && by_ops
}

/// The key, and the algorithm that its type is good for; an `alg` that says otherwise is refused.
pub(super) fn jwk_key(jwk: &Jwk) -> Result<(DecodingKey, Algorithm), String> {
    let (algorithm, sound) = match &jwk.algorithm {
        AlgorithmParameters::RSA(rsa) => (Algorithm::RS256, is_good_modulus(&rsa.n)),
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, is_32_bytes(&ec.x) && is_32_bytes(&ec.y))
        }
        AlgorithmParameters::EllipticCurve(_) => return Err(NOT_P256.into()),
        AlgorithmParameters::OctetKeyPair(ed) if ed.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, is_32_bytes(&ed.x))
        }
        AlgorithmParameters::OctetKey(_) => return Err("a secret: it belongs into auth.secret".into()),
        _ => return Err("only RSA, P-256 and Ed25519 keys are supported".into()),
    };
    if !sound {
        return Err(match algorithm {
            Algorithm::RS256 => "an RSA key has to have 2048 to 8192 bits".into(),
            _ => "the key's coordinates have to be 32 bytes each in base64url".to_owned(),
        });
    }
    if jwk.common.key_algorithm.is_some_and(|alg| alg != KeyAlgorithm::from(algorithm)) {
        return Err(format!("its `alg` is not {}, the only one supported for its type", name(algorithm)));
    }
    let key = DecodingKey::from_jwk(jwk).map_err(|_| "its parts are not base64url".to_owned())?;
    Ok((key, algorithm))
}

/// The sizes that the verifier takes: any other key would refuse every token.
fn is_good_modulus(n: &str) -> bool {
    let Ok(bytes) = URL_SAFE_NO_PAD.decode(n) else { return false };
    let significant = &bytes[bytes.iter().take_while(|&&b| b == 0).count()..];
    let bits = significant.len() * 8 - significant.first().map_or(0, |b| b.leading_zeros() as usize);
    (2048..=8192).contains(&bits)
}

fn is_32_bytes(text: &str) -> bool {
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32)
}
