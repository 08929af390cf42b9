use toml::Value;

/// One documented key of the configuration.
#[derive(Clone, Debug)]
pub struct Key {
    /// Where it stands: `["lifetimes", "access_token"]`.
    pub path: Vec<&'static str>,
    /// What it does, with its unit.
    pub doc: String,
    /// What it is when nobody says; none where it is simply not set.
    pub default: Option<Value>,
    /// Reads what an environment variable says.
    pub(super) from_text: fn(&str) -> Result<Value, String>,
}

impl Key {
    /// The variable that sets this key: `CLAVIGER_LIFETIMES__ACCESS_TOKEN`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("CLAVIGER_{}", self.path.join("__").to_uppercase())
    }

    #[must_use]
    pub fn dotted(&self) -> String {
        self.path.join(".")
    }
}

/// A group of keys.
pub(super) trait Section: Default {
    fn keys(path: &[&'static str], keys: &mut Vec<Key>);
}

/// A value that one variable can hold.
pub(super) trait Leaf {
    fn from_text(text: &str) -> Result<Value, String>;
}

/// Declares a section: its struct, its defaults, and the documentation of its keys, from one list.
macro_rules! settings {
    (
        $(#[doc = $section_doc:literal])+
        $section:ident {
            $($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr;)*
            $(; $($(#[doc = $group_doc:literal])+ $group:ident: $group_type:ty;)*)?
        }
    ) => {
        $(#[doc = $section_doc])+
        #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $section {
            $($(#[doc = $doc])+ pub $name: $type,)*
            $($($(#[doc = $group_doc])+ pub $group: $group_type,)*)?
        }

        impl Default for $section {
            fn default() -> Self {
                Self {
                    $($name: $default,)*
                    $($($group: <$group_type>::default(),)*)?
                }
            }
        }

        impl $crate::config::key::Section for $section {
            fn keys(path: &[&'static str], keys: &mut Vec<$crate::config::key::Key>) {
                let at = |name: &'static str| path.iter().copied().chain([name]).collect::<Vec<_>>();
                $(keys.push($crate::config::key::Key {
                    path: at(stringify!($name)),
                    doc: concat!($($doc, "\n"),+).trim().to_owned(),
                    default: { let default: $type = $default; toml::Value::try_from(default).ok() },
                    from_text: <$type as $crate::config::key::Leaf>::from_text,
                });)*
                $($(<$group_type as $crate::config::key::Section>::keys(&at(stringify!($group)), keys);)*)?
            }
        }
    };
}
pub(super) use settings;
