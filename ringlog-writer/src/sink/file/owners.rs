//! The mode, owner and group of files that the writer makes, as words of a configuration or a command line.

use std::fmt;
use std::str::FromStr;

use nix::errno::Errno;
use nix::unistd;

/// The permission bits of a file, such as `0640`. The owner may always read and write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(u32);

/// The bits without which the writer could not open the file again.
const OWN: u32 = 0o600;

impl Mode {
    /// The bits.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(word: &str) -> Result<Mode, String> {
        let digits = word.strip_prefix("0o").unwrap_or(word);
        let is_octal =
            (3..=4).contains(&digits.len()) && digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
        match u32::from_str_radix(digits, 8) {
            Ok(bits) if is_octal && bits <= 0o777 && bits & OWN == OWN => Ok(Mode(bits)),
            Ok(bits) if is_octal && bits <= 0o777 => Err(format!(
                "invalid mode {word:?}: the writer has to open the file again, so its owner has to be able to read and \
                 write it; expected for example \"0{:o}\"",
                bits | OWN
            )),
            _ => Err(format!("invalid mode {word:?}; expected octal digits up to 0777, such as \"0640\"")),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:04o}", self.0))
    }
}

/// A user or a group, and the number that its name had when it was read.
macro_rules! account {
    ($(#[$doc:meta])+ $name:ident, $what:literal, $option:literal, $find:expr) => {
        $(#[$doc])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            word: String,
            id: u32,
        }

        impl $name {
            /// The number.
            pub fn id(&self) -> u32 {
                self.id
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(word: &str) -> Result<$name, String> {
                number_or_name(word, $what, $option, $find).map(|id| $name { word: word.to_owned(), id })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.word)
            }
        }
    };
}

account!(
    /// A user, by name or number.
    Owner, "user", "passwd", |name| Ok(unistd::User::from_name(name)?.map(|user| user.uid.as_raw()))
);
account!(
    /// A group, by name or number.
    Group, "group", "group", |name| Ok(unistd::Group::from_name(name)?.map(|group| group.gid.as_raw()))
);

fn number_or_name(
    word: &str,
    what: &str,
    database: &str,
    find: impl Fn(&str) -> Result<Option<u32>, Errno>,
) -> Result<u32, String> {
    if !word.is_empty() && word.bytes().all(|digit| digit.is_ascii_digit()) {
        // The largest number stands for no change.
        return word.parse().ok().filter(|id| *id < u32::MAX).ok_or_else(|| {
            format!("invalid {what} {word:?}; expected a name, or a number below {}", u32::MAX)
        });
    }
    match find(word) {
        Ok(Some(id)) => Ok(id),
        Ok(None) => Err(format!(
            "there is no {what} {word:?} here; expected a name that `getent {database}` knows, or a number"
        )),
        Err(errno) => Err(format!("cannot look up the {what} {word:?}: {}; give its number", errno.desc())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_octal_and_lets_its_owner_read_and_write() {
        for (word, bits) in [("0640", 0o640), ("600", 0o600), ("0o777", 0o777), ("0666", 0o666)] {
            let mode: Mode = word.parse().unwrap();
            assert_eq!((mode.bits(), mode.to_string()), (bits, format!("0{bits:o}")));
        }
        for wrong in ["", "64", "0648", "1777", "4755", "-640", "+640", "rw-r-----", "0x1a0", "00640"] {
            let error = wrong.parse::<Mode>().unwrap_err();
            assert_eq!(
                error,
                format!("invalid mode {wrong:?}; expected octal digits up to 0777, such as \"0640\"")
            );
        }
        assert!("0440".parse::<Mode>().unwrap_err().ends_with("expected for example \"0640\""));
    }

    #[test]
    fn users_and_groups_have_names_or_numbers() {
        let (owner, group): (Owner, Group) = ("root".parse().unwrap(), "0".parse().unwrap());
        assert_eq!((owner.id(), owner.to_string()), (0, "root".to_owned()));
        assert_eq!((group.id(), group.to_string()), (0, "0".to_owned()));
        assert_eq!("4294967294".parse::<Owner>().unwrap().id(), u32::MAX - 1);
        let refusal = |word: &str| word.parse::<Owner>().unwrap_err();
        assert_eq!(
            refusal("no-such-user"),
            "there is no user \"no-such-user\" here; expected a name that `getent passwd` knows, or a number"
        );
        assert_eq!(
            refusal("4294967295"),
            "invalid user \"4294967295\"; expected a name, or a number below 4294967295"
        );
        assert!("".parse::<Group>().unwrap_err().starts_with("there is no group \"\" here"));
    }
}
