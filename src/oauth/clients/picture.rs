//! What the head of a picture says of it: its kind, its size, whether it moves. Nothing is decoded.

/// What a picture is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) content_type: &'static str,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) animated: bool,
}

impl Picture {
    /// None for what is no PNG, JPEG or WebP, or ends before it has said how large it is.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        png(bytes).or_else(|| jpeg(bytes)).or_else(|| webp(bytes))
    }
}

fn big_u32(bytes: &[u8], place: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(place..)?.first_chunk()?))
}

fn big_u16(bytes: &[u8], place: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(place..)?.first_chunk()?))
}

fn little_u16(bytes: &[u8], place: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(place..)?.first_chunk()?))
}

fn little_u32(bytes: &[u8], place: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(place..)?.first_chunk()?))
}

/// Chunks of length, name, content and check sum; the first is IHDR, and `acTL` comes before the first IDAT of what moves
/// (PNG, Third Edition, §5.3, §11.2.1 and §11.3.4.1).
fn png(bytes: &[u8]) -> Option<Picture> {
    let rest = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?;
    if rest.get(4..8)? != b"IHDR" {
        return None;
    }
    let picture = |animated| {
        Some(Picture {
            content_type: "image/png",
            width: big_u32(rest, 8)?,
            height: big_u32(rest, 12)?,
            animated,
        })
    };
    let mut place = 0_usize;
    loop {
        let length = usize::try_from(big_u32(rest, place)?).ok()?;
        match rest.get(place.checked_add(4)?..)?.first_chunk::<4>()? {
            b"acTL" => return picture(true),
            b"IDAT" => return picture(false),
            _ => place = place.checked_add(length)?.checked_add(12)?,
        }
    }
}

/// Segments of marker, length and content; the frame header says how large it is (ITU-T T.81 §B.1.1 and §B.2.2).
fn jpeg(bytes: &[u8]) -> Option<Picture> {
    let mut rest = bytes.strip_prefix(b"\xff\xd8")?;
    loop {
        let (0xff, after) = rest.split_first().map(|(first, after)| (*first, after))? else {
            return None;
        };
        let (marker, segment) = after.split_first()?;
        match marker {
            // Any number of these may stand before a marker.
            0xff => rest = after,
            // All frame headers, and not the tables that have markers among theirs.
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                return Some(Picture {
                    content_type: "image/jpeg",
                    height: big_u16(segment, 3)?.into(),
                    width: big_u16(segment, 5)?.into(),
                    animated: false,
                });
            }
            // The picture itself, or its end, before any frame header.
            0xd0..=0xda => return None,
            _ => rest = segment.get(usize::from(big_u16(segment, 0)?)..)?,
        }
    }
}

/// RIFF, whose first chunk is the picture or, in the extended format, says what follows (RFC 9649 §2.5 to §2.7).
fn webp(bytes: &[u8]) -> Option<Picture> {
    let rest = bytes.strip_prefix(b"RIFF")?.get(4..)?.strip_prefix(b"WEBP")?;
    let (name, content) = (rest.first_chunk::<4>()?, rest.get(8..)?);
    let picture = |width, height, animated| Picture {
        content_type: "image/webp",
        width,
        height,
        animated,
    };
    match name {
        b"VP8X" => {
            let less_one = |place| Some(little_u32(content, place)? & 0x00ff_ffff);
            let animated = content.first()? & 0b10 != 0;
            // The second one has no byte behind it that is its own.
            let height = little_u32(content, 6)? >> 8;
            Some(picture(less_one(4)? + 1, height + 1, animated))
        }
        // A key frame's header: tag, start code, width, height, each of the latter with two bits of scale above it.
        b"VP8 " if content.get(3..6)? == b"\x9d\x01\x2a" => {
            let side = |place| Some(u32::from(little_u16(content, place)? & 0x3fff));
            Some(picture(side(6)?, side(8)?, false))
        }
        b"VP8L" if content.first()? == &0x2f => {
            let bits = little_u32(content, 1)?;
            Some(picture((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1, false))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &[u8], content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [length.as_slice(), name, content, &[0; 4]].concat()
    }

    fn png_of(width: u32, height: u32, chunks: &[&[u8; 4]]) -> Vec<u8> {
        let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
        let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
        bytes.extend(chunk(b"IHDR", &[size.as_slice(), &[8, 6, 0, 0, 0]].concat()));
        for name in chunks {
            bytes.extend(chunk(name.as_slice(), &[0; 8]));
        }
        bytes
    }

    fn webp_of(name: &[u8], content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_le_bytes();
        [b"RIFF\0\0\0\0WEBP", name, &length, content].concat()
    }

    #[test]
    fn each_kind_says_how_large_it_is_and_whether_it_moves() {
        let jpeg = |marker: u8| {
            [
                b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff".as_slice(),
                &[marker, 0, 11, 8, 0x02, 0x80, 0x01, 0x40, 1, 1, 0x11, 0],
            ]
            .concat()
        };
        let lossless = (0x13f_u32 | 0x27f << 14).to_le_bytes();
        for (bytes, content_type, animated) in [
            (png_of(320, 640, &[b"pHYs", b"IDAT"]), "image/png", false),
            (png_of(320, 640, &[b"acTL", b"IDAT"]), "image/png", true),
            (png_of(320, 640, &[b"IDAT", b"acTL"]), "image/png", false),
            (jpeg(0xc0), "image/jpeg", false),
            (jpeg(0xc2), "image/jpeg", false),
            (
                webp_of(b"VP8 ", b"\x10\x00\x00\x9d\x01\x2a\x40\x01\x80\x02"),
                "image/webp",
                false,
            ),
            (
                webp_of(b"VP8L", &[&[0x2f], lossless.as_slice()].concat()),
                "image/webp",
                false,
            ),
            (
                webp_of(b"VP8X", &[0x10, 0, 0, 0, 0x3f, 1, 0, 0x7f, 2, 0]),
                "image/webp",
                false,
            ),
            (
                webp_of(b"VP8X", &[0x02, 0, 0, 0, 0x3f, 1, 0, 0x7f, 2, 0]),
                "image/webp",
                true,
            ),
        ] {
            let picture = Picture {
                content_type,
                width: 320,
                height: 640,
                animated,
            };
            assert_eq!(Picture::of(&bytes), Some(picture), "{bytes:?}");
        }
    }

    #[test]
    fn what_ends_too_early_or_is_something_else_is_no_picture() {
        for bytes in [
            b"".as_slice(),
            b"GIF89a\x01\x00\x01\x00",
            b"\x89PNG\r\n\x1a\n",
            &png_of(320, 640, &[b"pHYs"]),
            b"\xff\xd8\xff\xe0\x00\x10JFIF",
            b"\xff\xd8\xff\xc4\x00\x02\xff\xda\x00\x02",
            b"\xff\xd8\xff\xe0\x00\x00\xff\xe0\x00\x00",
            &webp_of(b"VP8 ", b"\x10\x00\x00\x00\x00\x00\x40\x01\x80\x02"),
            &webp_of(b"ALPH", &[0; 12]),
        ] {
            assert_eq!(Picture::of(bytes), None, "{bytes:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(kind in 0_usize..4, rest: Vec<u8>) {
            let heads = [b"".as_slice(), b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBPVP8"];
            let _ = Picture::of(&[heads[kind], rest.as_slice()].concat());
        }
    }
}
