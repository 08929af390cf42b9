//! Keys and what is made with them: the master key, keys derived from it for one purpose each, sealing bound
//! to a place, message authentication, signing keys, password hashing, and the text forms of credentials.

mod keyring;
mod master_key;
mod origin;
mod password;
mod purpose;
mod seal;
mod signing;
mod store;
mod token;

pub use keyring::Keyring;
pub use master_key::{FileMasterKey, MasterKey, MasterKeyError, MasterKeys, OpenedMasterKey};
pub use origin::Origin;
pub use password::PasswordHasher;
pub use purpose::{KeyId, KeyState, KeyStatus, Mac, Purpose};
pub use seal::{Place, Unsealed};
pub use signing::{JwtType, SigningKey};
pub use token::{Token, decode_base64url, digest, encode_base64url, encode_hex, same};
