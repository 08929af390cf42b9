/// What a person calls the program behind a `User-Agent` header: "Firefox on Linux". Programs other than browsers are
/// called by their own first word.
#[must_use]
pub fn program(user_agent: &str) -> String {
    // The order matters: most browsers also claim to be the ones further down.
    let browsers = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("CriOS/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    let systems = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ];
    let named = |names: &[(&str, &'static str)]| {
        names
            .iter()
            .find(|(sign, _)| user_agent.contains(sign))
            .map(|(_, name)| *name)
    };
    match (named(&browsers), named(&systems)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, _) => {
            let word = user_agent.split(['/', ' ']).next().unwrap_or_default();
            if word.is_empty() {
                "An unnamed program".to_owned()
            } else {
                word.chars().take(40).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::program;

    #[test]
    fn programs_are_called_as_people_call_them() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36";
        assert_eq!(program(chrome), "Chrome on Linux");
        assert_eq!(program(&format!("{chrome} Edg/126.0")), "Edge on Linux");
        assert_eq!(
            program("Mozilla/5.0 (Windows NT 10.0; rv:127.0) Gecko/20100101 Firefox/127.0"),
            "Firefox on Windows"
        );
        assert_eq!(program("fieldnotes-ios/4.1 CFNetwork"), "fieldnotes-ios");
        assert_eq!(program(""), "An unnamed program");
    }
}
