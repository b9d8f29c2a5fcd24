//! The token that callers bring.

use anyhow::{Context as _, bail};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::fmt;
use std::fs::File;
use std::io::Read as _;

/// Shortest token: of hexadecimal digits, 128 bits.
const TOKEN_CHARS_MIN: usize = 32;

/// The token, as its hash under a key that this process drew: comparing hashes of one length, in constant time, tells
/// nothing of how much of a guess was right.
pub(crate) struct Token {
    key: Hmac<Sha256>,
    hash: Vec<u8>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Token {
    /// Takes a token that is long enough, of characters that a header can carry.
    pub(crate) fn read(text: &str) -> anyhow::Result<Self> {
        if text.len() < TOKEN_CHARS_MIN || !text.bytes().all(|b| b.is_ascii_graphic()) {
            bail!(
                "the token in ADMIN_TOKEN or ADMIN_TOKEN_FILE must be at least {TOKEN_CHARS_MIN} visible ASCII characters: \
                 make a new one, as by `openssl rand -hex 24`"
            );
        }
        let mut block = [0_u8; 64];
        let random = File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut block));
        random.context("cannot read /dev/urandom")?;
        let key = Hmac::<Sha256>::new(&block.into());
        let hash = key.clone().chain_update(text.as_bytes()).finalize().into_bytes().to_vec();
        Ok(Token { key, hash })
    }

    /// Whether this is it.
    pub(crate) fn is(&self, given: &[u8]) -> bool {
        self.key.clone().chain_update(given).verify_slice(&self.hash).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_it() {
        let text = "0123456789abcdef0123456789abcdef";
        let token = Token::read(text).unwrap();
        assert!(token.is(text.as_bytes()));
        for wrong in ["", &text[1..], &text[..31], "0123456789abcdef0123456789abcdeF", &format!("{text}0")] {
            assert!(!token.is(wrong.as_bytes()), "{wrong}");
        }
        assert_eq!(format!("{token:?}"), "Token(..)");
    }

    #[test]
    fn what_is_short_or_cannot_be_sent_is_refused_with_the_mend() {
        for bad in ["", "short", "0123456789abcdef 123456789abcdef", "0123456789abcdef0123456789abcde\u{e9}"]
        {
            let said = Token::read(bad).unwrap_err().to_string();
            assert!(said.contains("at least 32 visible ASCII characters: make a new one"), "{said}");
            assert!(bad.is_empty() || !said.contains(bad), "{said}");
        }
    }
}
