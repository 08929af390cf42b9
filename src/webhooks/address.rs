//! Which addresses are on the internet (RFC 6890 and the registries of special-purpose addresses that it began).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether anybody may be reached there: no private, loopback, link-local or shared address, none for documentation,
/// benchmarks or many at once, none in which another address is hidden, and none of the services that clouds offer to
/// their machines alone.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

#[allow(
    clippy::unnested_or_patterns,
    reason = "a line for each registry, and one block after the other"
)]
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    // Azure's machines get their configuration from this one; those of others are in the blocks below.
    if address == Ipv4Addr::new(168, 63, 129, 16) {
        return false;
    }
    !matches!(
        (a, b, c),
        // This network; private; loopback; link-local.
        (0 | 10 | 127, ..) | (172, 16..=31, _) | (192, 168, _) | (169, 254, _)
        // Shared by providers (RFC 6598); protocol assignments.
        | (100, 64..=127, _) | (192, 0, 0)
        // Documentation; the relays of 6to4; benchmarks.
        | (192, 0, 2) | (198, 51, 100) | (203, 0, 113) | (192, 88, 99) | (198, 18..=19, _)
        // Many at once; reserved; all.
        | (224.., ..)
    )
}

#[allow(
    clippy::unnested_or_patterns,
    reason = "one block after the other, each with its reason"
)]
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    // Only 2000::/3 is given out. So ::, ::1, the forms that hide an IPv4 address (::a.b.c.d, ::ffff:a.b.c.d, and
    // 64:ff9b::a.b.c.d of NAT64), fc00::/7, fe80::/10, fec0::/10 and ff00::/8 are none.
    let given_out = (0x2000..=0x3fff).contains(&a);
    let special = match (a, b) {
        // Protocol assignments: Teredo, which hides an IPv4 address too, benchmarks, ORCHID.
        (0x2001, 0..=0x01ff)
        // Documentation.
        | (0x2001, 0x0db8) | (0x3fff, 0..=0x0fff)
        // 6to4 hides an IPv4 address.
        | (0x2002, _) => true,
        _ => false,
    };
    given_out && !special
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_is_on_the_internet_is_public() {
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "126.1.2.3",
            "128.0.0.1",
            "169.253.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "192.167.0.1",
            "192.169.0.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00:1450::1",
            "2001:200::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for other in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::7f00:1",
            "64:ff9b::808:808",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:808:808::1",
            "3fff::1",
            "3fff:fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(other.parse().unwrap()), "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_address_hides_another(address: [u8; 4]) {
            let address = Ipv4Addr::from(address);
            let [a, b, c, d] = address.octets();
            let [high, low] = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
            for hidden in [
                address.to_ipv6_mapped(),
                address.to_ipv6_compatible(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                Ipv6Addr::new(0x2001, 0, high, low, 0, 0, !high, !low),
            ] {
                prop_assert!(!is_public(IpAddr::V6(hidden)), "{hidden}");
            }
        }
    }
}
