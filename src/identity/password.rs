//! New passwords: 8 to 256 characters, any characters, and strong enough by zxcvbn's count.

use secrecy::{ExposeSecret as _, SecretString};

use super::Identity;
use crate::types::Fault;

/// Characters, not bytes.
const SHORTEST: usize = 8;
const LONGEST: usize = 256;

/// Why a password cannot be taken, in words for whoever chose it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadPassword(pub String);

/// Refuses what is too short or too long; what else it holds is its owner's business.
pub(super) fn check_length(password: &SecretString) -> Result<(), BadPassword> {
    match password.expose_secret().chars().count() {
        0 => Err(BadPassword("Enter a password.".to_owned())),
        1..SHORTEST => Err(BadPassword(format!("Use at least {SHORTEST} characters."))),
        SHORTEST..=LONGEST => Ok(()),
        _ => Err(BadPassword(format!("Use at most {LONGEST} characters."))),
    }
}

/// Refuses what is guessed quickly, the more so by who knows `about`: the person's name and address.
fn check_strength(password: &str, about: &[&str], least_score: u8) -> Result<(), BadPassword> {
    let judged = zxcvbn::zxcvbn(password, about);
    if u8::from(judged.score()) >= least_score {
        return Ok(());
    }
    let mut words = String::from("That password would be guessed quickly.");
    if let Some(feedback) = judged.feedback() {
        let warning = feedback.warning().map(|warning| warning.to_string());
        let suggestions = feedback.suggestions().iter().map(ToString::to_string);
        for sentence in warning.into_iter().chain(suggestions) {
            words.push(' ');
            words.push_str(&sentence);
        }
    }
    Err(BadPassword(words))
}

impl Identity {
    /// Judges a new password, off the async threads: long ones take a while.
    pub(super) async fn judge(
        &self,
        password: &SecretString,
        about: Vec<String>,
    ) -> Result<Result<(), BadPassword>, Fault> {
        if let Err(bad) = check_length(password) {
            return Ok(Err(bad));
        }
        let (password, least_score) = (password.clone(), self.config.passwords.least_score);
        tokio::task::spawn_blocking(move || {
            let about: Vec<&str> = about.iter().map(String::as_str).collect();
            check_strength(password.expose_secret(), &about, least_score)
        })
        .await
        .map_err(Fault::internal)
    }
}

/// What somebody who knows the person would try.
pub(super) fn about(name: &str, email: &str) -> Vec<String> {
    let words = name
        .split_whitespace()
        .chain(email.split(['@', '.', '+', '-', '_']));
    [name, email]
        .into_iter()
        .chain(words)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(password: &str) -> Result<(), BadPassword> {
        check_length(&password.to_owned().into())
    }

    #[test]
    fn length_counts_characters() {
        assert!(length("1234567").is_err());
        assert!(length("ééééééé").is_err());
        assert!(length("éééééééé").is_ok());
        assert!(length(&"é".repeat(256)).is_ok());
        assert!(length(&"é".repeat(257)).is_err());
        assert!(length("").is_err_and(|bad| bad.0 == "Enter a password."));
    }

    #[test]
    fn what_is_guessed_quickly_is_refused_with_a_reason() {
        let judge = |password: &str| check_strength(password, &["Ada Marsh", "ada@example.com"], 3);
        assert!(judge("password1").is_err_and(|bad| bad.0.len() > 45));
        assert!(judge("ada@example.com").is_err());
        assert!(judge("correct horse battery staple").is_ok());
    }
}
