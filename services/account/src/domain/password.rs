use settings::Secret;

/// A password that may be set: at least 8 characters, at most 128 bytes, and not one of those that
/// are tried first (NIST SP 800-63B, section 3.1.1.2). Any characters; nothing is cut off.
pub struct NewPassword(Secret);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPassword {
    #[error("A password has at least 8 characters.")]
    Short,
    #[error("A password has at most 128 bytes.")]
    Long,
    #[error("This password is one of the first that others would try. Choose another.")]
    Common,
}

/// Longest password that is hashed, in bytes.
pub const MAX_PASSWORD_BYTES: usize = 128;

impl NewPassword {
    /// `email` is the account's, because its name is tried first.
    pub fn parse(text: &str, email: &str) -> Result<Self, InvalidPassword> {
        if text.len() > MAX_PASSWORD_BYTES {
            Err(InvalidPassword::Long)
        } else if text.chars().count() < 8 {
            Err(InvalidPassword::Short)
        } else if is_common(text, email) {
            Err(InvalidPassword::Common)
        } else {
            Ok(Self(text.into()))
        }
    }

    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

/// Words that the published lists of leaked passwords are made of, alone or with digits and signs
/// at their end. Letters only; digits that stand for letters are turned back first.
const WORDS: &[&str] = &[
    "abc",
    "abcd",
    "abcabc",
    "abcdef",
    "abcdefg",
    "abcdefgh",
    "access",
    "admin",
    "administrator",
    "alexander",
    "amanda",
    "andrea",
    "andrew",
    "angel",
    "anthony",
    "apple",
    "asd",
    "asdasd",
    "asdf",
    "asdfasdf",
    "asdfgh",
    "asdfghj",
    "asdfghjkl",
    "ashley",
    "azerty",
    "azertyuiop",
    "babygirl",
    "bailey",
    "barcelona",
    "baseball",
    "basketball",
    "batman",
    "blink",
    "brandon",
    "butterfly",
    "changeme",
    "charlie",
    "chelsea",
    "chocolate",
    "computer",
    "cookie",
    "cristina",
    "daniel",
    "danielle",
    "default",
    "donald",
    "dragon",
    "elizabeth",
    "facebook",
    "family",
    "flower",
    "football",
    "forever",
    "freedom",
    "friends",
    "fuckyou",
    "gateway",
    "george",
    "ginger",
    "google",
    "guest",
    "hannah",
    "happy",
    "harley",
    "hello",
    "hellohello",
    "hockey",
    "hunter",
    "iloveu",
    "iloveyou",
    "internet",
    "jasmine",
    "jennifer",
    "jessica",
    "jordan",
    "joshua",
    "killer",
    "kitty",
    "letmein",
    "letmeinn",
    "liverpool",
    "login",
    "london",
    "loveme",
    "lovely",
    "loveyou",
    "maggie",
    "manchester",
    "martin",
    "master",
    "matrix",
    "matthew",
    "melissa",
    "mercedes",
    "merlin",
    "michael",
    "michelle",
    "midnight",
    "monkey",
    "morgan",
    "mother",
    "mustang",
    "mypassword",
    "naruto",
    "nicholas",
    "nicole",
    "ninja",
    "nopassword",
    "pass",
    "passpass",
    "passw",
    "passwd",
    "password",
    "passwordpassword",
    "patrick",
    "pepper",
    "pokemon",
    "princess",
    "purple",
    "qazwsx",
    "qazwsxedc",
    "qwe",
    "qweasd",
    "qweasdzxc",
    "qweqwe",
    "qwer",
    "qwert",
    "qwerty",
    "qwertyqwerty",
    "qwertyu",
    "qwertyui",
    "qwertyuiop",
    "qwertz",
    "rainbow",
    "ranger",
    "realmadrid",
    "richard",
    "robert",
    "samantha",
    "samsung",
    "secret",
    "shadow",
    "sophie",
    "soccer",
    "spiderman",
    "starwars",
    "steelers",
    "summer",
    "sunshine",
    "superman",
    "taylor",
    "test",
    "tester",
    "testing",
    "testtest",
    "thomas",
    "thunder",
    "tigger",
    "trustno",
    "trustnoone",
    "user",
    "victoria",
    "welcome",
    "whatever",
    "william",
    "winter",
    "yankees",
    "yellow",
    "zaq",
    "zxc",
    "zxcvb",
    "zxcvbn",
    "zxcvbnm",
    "parlance",
    "correcthorsebatterystaple",
];

fn is_common(text: &str, email: &str) -> bool {
    let lower = text.to_lowercase();
    let mut characters: Vec<char> = lower.chars().collect();
    let is_run = characters.windows(2).all(|pair| {
        let step = i64::from(u32::from(pair[1])) - i64::from(u32::from(pair[0]));
        (-1..=1).contains(&step)
    });
    let local = email.split('@').next().unwrap_or_default();
    if lower == email
        || (!local.is_empty() && lower.trim_end_matches(|c: char| !c.is_alphabetic()) == local)
    {
        return true;
    }
    characters.sort_unstable();
    characters.dedup();
    if is_run || characters.len() <= 2 {
        return true;
    }
    if lower.chars().all(|c| c.is_ascii_digit()) {
        // All digits up to ten of them: dates, telephone numbers, rows of the keyboard.
        return lower.len() <= 10 || "01234567890123456789".contains(&lower);
    }
    // A word with digits or signs around it, as it is or with digits for letters ("p4ssw0rd").
    let words = |text: &str| {
        let inner = text.trim_matches(|c: char| !c.is_alphabetic());
        WORDS.contains(&inner)
    };
    let plain: String = lower
        .trim_end_matches(|c: char| c.is_ascii_digit() || c.is_ascii_punctuation())
        .chars()
        .map(|c| match c {
            '0' => 'o',
            '1' | '!' => 'i',
            '3' => 'e',
            '4' | '@' => 'a',
            '5' | '$' => 's',
            '7' => 't',
            c => c,
        })
        .collect();
    // Letters and digits in turn ("1q2w3e4r", "q1w2e3r4"): two rows of the keyboard.
    let letters: String = lower.chars().filter(|c| c.is_alphabetic()).collect();
    let digits: String = lower.chars().filter(char::is_ascii_digit).collect();
    let rows = "1234567890".starts_with(&digits)
        && digits.len() >= 2
        && letters.len() >= 3
        && [
            "qwertyuiop",
            "qazwsxedcrfv",
            "qwertzuiop",
            "abcdefghij",
            "azertyuiop",
        ]
        .iter()
        .any(|row| row.starts_with(&letters));
    words(&lower) || words(&plain) || rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(text: &str) -> Result<(), InvalidPassword> {
        NewPassword::parse(text, "ada.lovelace@example.org").map(drop)
    }

    #[test]
    fn length_is_all_that_a_password_needs() {
        for text in [
            "tr0ub4do",
            "two old boats",
            "ёлочка-28",
            "ДваСтарыхДуба",
            &"long ".repeat(20),
        ] {
            assert_eq!(outcome(text), Ok(()), "{text}");
        }
        assert_eq!(outcome("seven77"), Err(InvalidPassword::Short));
        assert_eq!(outcome(&"ab".repeat(65)), Err(InvalidPassword::Long));
    }

    #[test]
    fn the_first_guesses_are_refused() {
        let taken: Vec<&str> = [
            "password",
            "Password1",
            "P@ssw0rd",
            "passw0rd!",
            "password123",
            "12345678",
            "123456789",
            "1234567890",
            "87654321",
            "11111111",
            "00000000",
            "qwertyuiop",
            "qwerty123",
            "1q2w3e4r",
            "q1w2e3r4",
            "1qaz2wsx",
            "abc12345",
            "abcd1234",
            "iloveyou",
            "iloveyou1",
            "sunshine",
            "princess1",
            "football",
            "baseball1",
            "welcome1",
            "Welcome123!",
            "letmein1",
            "superman",
            "trustno1",
            "admin123",
            "dragon12",
            "michael1",
            "jennifer",
            "starwars",
            "computer",
            "aaaaaaaa",
            "abababab",
            "19840101",
            "ada.lovelace",
            "ada.lovelace1",
            "ada.lovelace@example.org",
            "asdfghjkl",
            "zxcvbnm1",
            "qazwsxedc",
            "changeme",
            "secret12",
        ]
        .into_iter()
        .filter(|text| outcome(text) != Err(InvalidPassword::Common))
        .collect();
        assert!(taken.is_empty(), "{taken:?}");
    }
}
