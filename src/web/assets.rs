//! The files under `/static/`: built into the program, so that it has nothing to find at run time.

/// One file.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Its name under `/static/`.
    pub name: &'static str,
    pub content_type: &'static str,
    pub bytes: &'static [u8],
}

/// Every file.
pub const ASSETS: &[Asset] = &[
    Asset {
        name: "claviger.css",
        content_type: "text/css; charset=utf-8",
        bytes: include_bytes!("../../static/claviger.css"),
    },
    Asset {
        name: "claviger.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../../static/claviger.js"),
    },
    Asset {
        name: "submit.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../../static/submit.js"),
    },
    Asset {
        name: "logo.svg",
        content_type: "image/svg+xml",
        bytes: include_bytes!("../../static/logo.svg"),
    },
];
