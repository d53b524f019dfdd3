//! Which addresses we call for somebody else. Businesses name the hosts, and the server that calls them stands where
//! much answers that is none of theirs: the platform's metadata, a neighbour's database, ourselves.
//!
//! Source: IANA, the special-purpose address registries of IPv4 and IPv6, as of 2025.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::domain::is_private_name;

/// Whom we may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// What the internet reaches, over https.
    PublicOnly,
    /// This machine too, and it over http too: for a server nobody but this machine reaches. What else is private is not
    /// reached: a laptop stands in a network with others.
    Loopback,
}

impl Reach {
    /// Whether we may connect to an address.
    pub fn admits(self, address: IpAddr) -> bool {
        match self {
            Self::PublicOnly => is_public(address),
            Self::Loopback => is_public(address) || address.to_canonical().is_loopback(),
        }
    }

    /// Whether what is said to the host of a URL is for its ears alone, or stays on this machine.
    pub(super) fn is_private_talk(self, url: &Url) -> bool {
        match (url.scheme(), self) {
            ("https", _) => true,
            ("http", Self::Loopback) => match url.host() {
                Some(Host::Domain(name)) => name == "localhost",
                Some(Host::Ipv4(address)) => address.is_loopback(),
                Some(Host::Ipv6(address)) => address.is_loopback(),
                None => false,
            },
            _ => false,
        }
    }

    /// Whether the host of a URL is an address we may not connect to. A name is judged when it is resolved.
    pub(super) fn refuses_literal(self, url: &Url) -> bool {
        match url.host() {
            Some(Host::Ipv4(address)) => !self.admits(address.into()),
            Some(Host::Ipv6(address)) => !self.admits(address.into()),
            Some(Host::Domain(_)) | None => false,
        }
    }

    /// Whether the host of a URL is a name that only a private network knows: whatever it leads to, nobody outside means
    /// it. Where this machine may be called, its own name may be too.
    pub(super) fn refuses_name(self, url: &Url) -> bool {
        let Some(Host::Domain(name)) = url.host() else { return false };
        self == Self::PublicOnly && is_private_name(name)
    }
}

/// Ranges of IPv4 that are not the public internet, with the length of their prefix.
const NOT_PUBLIC_V4: [(Ipv4Addr, u32); 16] = [
    // "This network": Linux takes 0.0.0.0 for itself.
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    // Private networks (RFC 1918).
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    // Behind a carrier's translator, and private networks of clouds (RFC 6598).
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    // This machine.
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // This link, with every cloud's metadata at 169.254.169.254.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    // Azure's own metadata, in the middle of public addresses.
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    // Protocols' own.
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    // For documentation (RFC 5737).
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Relays to 6to4, long gone.
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    // For measurements between networks (RFC 2544).
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    // Many at once.
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    // Reserved, and with 255.255.255.255 everybody on this link.
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// All of IPv6 that was ever given to anybody. Outside of it lie `::`, `::1`, IPv4 in IPv6's clothes (`::ffff:0:0/96`,
/// `64:ff9b::/96`, `64:ff9b:1::/48`), unique local, link-local and multicast addresses.
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Ranges within [`GLOBAL_V6`] that are not the public internet all the same, with the length of their prefix.
const NOT_PUBLIC_V6: [(Ipv6Addr, u32); 4] = [
    // Protocols' own: Teredo, which holds an IPv4 address, and measurements.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    // For documentation.
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
    // 6to4, which holds an IPv4 address.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
];

/// Whether an address is one that everybody on the internet means the same host by. IPv4 in any clothes of IPv6 is not:
/// no host is called so, and a translator on the way could lead anywhere.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let bits = address.to_bits();
            !NOT_PUBLIC_V4.iter().any(|(range, prefix)| (bits ^ range.to_bits()) >> (32 - prefix) == 0)
        }
        IpAddr::V6(address) => {
            let within = |(range, prefix): &(Ipv6Addr, u32)| {
                (address.to_bits() ^ range.to_bits()) >> (128 - prefix) == 0
            };
            within(&GLOBAL_V6) && !NOT_PUBLIC_V6.iter().any(within)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// The first and last address of every range that is not public.
    const NOT_PUBLIC: [&str; 68] = [
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "127.0.0.0",
        "127.255.255.255",
        "169.254.0.0",
        "169.254.169.254",
        "169.254.255.255",
        "168.63.129.16",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.0",
        "192.0.0.255",
        "192.0.2.0",
        "192.0.2.255",
        "192.88.99.0",
        "192.88.99.255",
        "192.168.0.0",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.0",
        "198.51.100.255",
        "203.0.113.0",
        "203.0.113.255",
        "224.0.0.0",
        "239.255.255.255",
        "240.0.0.0",
        "247.255.255.255",
        "248.0.0.0",
        "255.255.255.255",
        "::",
        "::1",
        "::8.8.8.8",
        "::ffff:0.0.0.0",
        "::ffff:8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:255.255.255.255",
        "64:ff9b::",
        "64:ff9b::a00:1",
        "64:ff9b::ffff:ffff",
        "64:ff9b:1::",
        "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
        "100::1",
        "1fff:ffff::",
        "2001::",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:2::1",
        "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:db8::",
        "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
        "2002::",
        "2002:7f00:1::1",
        "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "3fff::",
        "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
        "4000::",
        "5f00::1",
        "fc00::",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ];

    /// Their neighbours outside, and hosts that everybody knows.
    const PUBLIC: [&str; 37] = [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "168.63.129.17",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.3.0",
        "192.88.98.255",
        "192.88.100.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.255",
        "198.51.101.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "8.8.8.8",
        "2000::",
        "2001:200::",
        "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:db9::",
        "2001:4860:4860::8888",
        "2003::",
        "2606:4700:4700::1111",
        "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "3fff:1000::",
    ];

    #[test]
    fn every_range_that_is_not_public_is_refused_to_its_edges_and_no_further() {
        for text in NOT_PUBLIC {
            assert!(!is_public(address(text)), "{text} is not public");
        }
        for text in PUBLIC {
            assert!(is_public(address(text)), "{text} is public");
        }
    }

    proptest! {
        #[test]
        fn what_the_standard_library_knows_to_be_special_is_never_public(bits: u32) {
            let v4 = Ipv4Addr::from_bits(bits);
            let special = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_broadcast()
                || v4.is_documentation() || v4.is_multicast() || v4.is_unspecified();
            prop_assert!(!(special && is_public(v4.into())));
            prop_assert!(!is_public(v4.to_ipv6_mapped().into()));
            prop_assert!(!is_public(v4.to_ipv6_compatible().into()));
            let [a, b, c, d] = v4.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            for clothed in [
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2001, 0, high, low, 0, 0, !high, !low),
            ] {
                prop_assert!(!is_public(clothed.into()), "{}", clothed);
            }
        }

        #[test]
        fn no_address_of_ipv6_that_is_local_or_for_many_is_public(bits: u128) {
            let v6 = Ipv6Addr::from_bits(bits);
            let special = v6.is_loopback() || v6.is_unspecified() || v6.is_multicast()
                || v6.is_unique_local() || v6.is_unicast_link_local();
            prop_assert!(!(special && is_public(v6.into())));
        }
    }

    #[test]
    fn on_a_laptop_this_machine_is_reached_and_nothing_else_that_is_private() {
        for text in ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "8.8.8.8"] {
            assert!(Reach::Loopback.admits(address(text)), "{text}");
        }
        for text in
            ["10.0.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "::", "fd00::1", "::ffff:10.0.0.1"]
        {
            assert!(!Reach::Loopback.admits(address(text)), "{text}");
        }
        for text in NOT_PUBLIC {
            assert!(!Reach::PublicOnly.admits(address(text)), "{text}");
        }
    }

    #[test]
    fn an_address_in_a_url_is_judged_however_it_is_written() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "127.0.0.1.",
            "%31%32%37.0.0.1",
            "１２７.0.0.1",
            "[::1]",
            "[::ffff:7f00:1]",
            "[0:0:0:0:0:ffff:127.0.0.1]",
        ] {
            let url = Url::parse(&format!("https://{host}/x")).unwrap();
            assert!(Reach::PublicOnly.refuses_literal(&url), "{host}");
        }
        let name = Url::parse("https://localhost/x").unwrap();
        assert!(!Reach::PublicOnly.refuses_literal(&name), "a name is judged by its addresses");
    }

    #[test]
    fn a_name_of_a_private_network_is_refused_whatever_it_leads_to() {
        for name in ["metadata.google.internal", "DB.Railway.INTERNAL.", "internal", "localhost", "nas.local"]
        {
            let url = Url::parse(&format!("https://{name}/x")).unwrap();
            assert!(Reach::PublicOnly.refuses_name(&url) && !Reach::Loopback.refuses_name(&url), "{name}");
        }
        for name in ["internal.example", "notinternal", "example.com", "localhost.example.com"] {
            let url = Url::parse(&format!("https://{name}/x")).unwrap();
            assert!(!Reach::PublicOnly.refuses_name(&url), "{name}");
        }
    }

    #[test]
    fn http_is_for_this_machine_alone() {
        let talk = |reach: Reach, url: &str| reach.is_private_talk(&Url::parse(url).unwrap());
        for url in ["http://localhost:1/x", "http://127.0.0.1/x", "http://[::1]/x"] {
            assert!(talk(Reach::Loopback, url) && !talk(Reach::PublicOnly, url), "{url}");
        }
        for url in ["http://example.com/", "http://10.0.0.1/", "ftp://localhost/", "file:///x"] {
            assert!(!talk(Reach::Loopback, url), "{url}");
        }
        assert!(talk(Reach::PublicOnly, "https://example.com/"));
    }
}
