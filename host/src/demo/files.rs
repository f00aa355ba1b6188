//! The demo's files: orders, stock and invoices as a shop and its warehouse would exchange them.
//!
//! They are made up by a small generator with a fixed seed, so every run has the same bytes.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

/// A file to be laid on the demo's server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoFile {
    /// Path below the server's root, with `/` between folders.
    pub path: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

impl DemoFile {
    fn new(path: impl Into<String>, content: String) -> Self {
        Self {
            path: path.into(),
            content: content.into_bytes(),
        }
    }

    /// The part of the path after the last slash.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// SHA-256 of the bytes, hexadecimal in lower case.
    #[must_use]
    pub fn sha256(&self) -> String {
        hex(&Sha256::digest(&self.content))
    }
}

/// Writes the files below the local folder `root`, with the folders they need.
///
/// # Errors
/// When a folder or file cannot be written.
pub fn lay_out(root: &Path, files: &[DemoFile]) -> io::Result<()> {
    for file in files {
        let target = root.join(&file.path);
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(target, &file.content)?;
    }
    Ok(())
}

/// Four days of orders, CSV with quoted fields, in `outbound/`; and a note beside them that no flow wants.
#[must_use]
pub fn orders() -> Vec<DemoFile> {
    const ORDERS_A_DAY: u32 = 250;
    let mut random = Random::new(1);
    let mut files: Vec<DemoFile> = (1..=4)
        .map(|day| {
            let mut csv = String::from("order_id;placed_at;customer;city;sku;quantity;unit_price;note\r\n");
            for line in 0..ORDERS_A_DAY {
                let (name, city) = (random.pick(CUSTOMERS), random.pick(CITIES));
                let (sku, title, cents) = random.pick(ARTICLES);
                let quantity = 1 + random.below(12);
                let _ = write!(
                    csv,
                    "{}{line:05};2026-07-{day:02}T{:02}:{:02}:00Z;\"{name}\";\"{city}\";{sku};{quantity};{};\"{title}, \"\"{}\"\"\"\r\n",
                    2026 * 100 + day,
                    random.below(24),
                    random.below(60),
                    money(*cents),
                    random.pick(NOTES),
                );
            }
            DemoFile::new(format!("outbound/orders_202607{day:02}.csv"), csv)
        })
        .collect();
    files.push(DemoFile::new(
        "outbound/README.txt",
        "Orders of the day, one file a day, after midnight.\n".into(),
    ));
    files
}

/// Stock levels of three stores, JSON, in `stock/`.
#[must_use]
pub fn stock() -> Vec<DemoFile> {
    let mut random = Random::new(2);
    ["Köln", "São Paulo", "Łódź"]
        .iter()
        .map(|store| {
            let articles: Vec<_> = ARTICLES
                .iter()
                .map(|(sku, title, _)| {
                    serde_json::json!({
                        "sku": sku,
                        "title": title,
                        "on_hand": random.below(500),
                        "reserved": random.below(20),
                        "bin": format!("{}-{:02}", random.pick(&["A", "B", "C"]), random.below(40)),
                    })
                })
                .collect();
            let report = serde_json::json!({
                "store": store, "as_of": "2026-07-04T22:00:00Z", "articles": articles,
            });
            DemoFile::new(
                format!("stock/stock {store} [2026-07-04].json"),
                format!("{report:#}\n"),
            )
        })
        .collect()
}

/// Invoices in a tree of years and months below `invoices/`: XML in the shape of UBL, and one in EDIFACT.
#[must_use]
pub fn invoices() -> Vec<DemoFile> {
    let mut random = Random::new(3);
    let mut files = Vec::new();
    for (month, count) in [(5, 2), (6, 3), (7, 4)] {
        for number in 1..=count {
            let id = format!("INV-2026{month:02}-{number:04}");
            files.push(DemoFile::new(
                format!("invoices/2026/{month:02}/{id}.xml"),
                ubl(&mut random, &id, month),
            ));
        }
    }
    files.push(DemoFile::new(
        "invoices/2026/07/INVOIC_4711.edi",
        edifact(&mut random),
    ));
    files
}

fn ubl(random: &mut Random, id: &str, month: u32) -> String {
    let mut lines = String::new();
    let mut total = 0;
    for number in 1..=2 + random.below(6) {
        let (sku, title, cents) = random.pick(ARTICLES);
        let quantity = 1 + random.below(30);
        let amount = cents * quantity;
        total += amount;
        let _ = write!(
            lines,
            "  <cac:InvoiceLine>\n    <cbc:ID>{number}</cbc:ID>\n    \
             <cbc:InvoicedQuantity unitCode=\"EA\">{quantity}</cbc:InvoicedQuantity>\n    \
             <cbc:LineExtensionAmount currencyID=\"EUR\">{}</cbc:LineExtensionAmount>\n    \
             <cac:Item><cbc:Name>{title}</cbc:Name><cac:SellersItemIdentification><cbc:ID>{sku}</cbc:ID>\
             </cac:SellersItemIdentification></cac:Item>\n  </cac:InvoiceLine>\n",
            money(amount),
        );
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <Invoice xmlns=\"urn:oasis:names:specification:ubl:schema:xsd:Invoice-2\"\n         \
         xmlns:cac=\"urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2\"\n         \
         xmlns:cbc=\"urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2\">\n  \
         <cbc:ID>{id}</cbc:ID>\n  <cbc:IssueDate>2026-{month:02}-{:02}</cbc:IssueDate>\n  \
         <cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>\n  \
         <cac:AccountingCustomerParty><cac:Party><cac:PartyName><cbc:Name>{}</cbc:Name></cac:PartyName>\
         </cac:Party></cac:AccountingCustomerParty>\n{lines}  \
         <cac:LegalMonetaryTotal><cbc:PayableAmount currencyID=\"EUR\">{}</cbc:PayableAmount>\
         </cac:LegalMonetaryTotal>\n</Invoice>\n",
        1 + random.below(28),
        random.pick(CUSTOMERS),
        money(total),
    )
}

fn edifact(random: &mut Random) -> String {
    let mut message = String::from(
        "UNA:+.? 'UNB+UNOC:3+4012345000009:14+4098765000006:14+260704:2200+4711'\
         UNH+1+INVOIC:D:96A:UN:EAN008'BGM+380+4711+9'DTM+137:20260704:102'",
    );
    let mut segments = 3;
    for number in 1..=20 {
        let (sku, _, cents) = random.pick(ARTICLES);
        let quantity = 1 + random.below(50);
        let _ = write!(
            message,
            "LIN+{number}++{sku}:SA'QTY+47:{quantity}'MOA+203:{}'",
            money(cents * quantity)
        );
        segments += 3;
    }
    let _ = writeln!(message, "UNS+S'UNT+{}+1'UNZ+1+4711'", segments + 2);
    message
}

/// Hundredths as a decimal number.
fn money(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// Bytes in hexadecimal, lower case.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// A linear congruential generator (Knuth's MMIX constants): good enough to vary sample data, and the
/// same everywhere.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // The low bits of such a generator repeat soon; the high ones do not.
        (self.0 >> 33) % limit
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let index = self.below(from.len() as u64);
        &from[usize::try_from(index).unwrap_or_default()]
    }
}

const CUSTOMERS: &[&str] = &[
    "Müller & Söhne GmbH",
    "Boulangerie Lefèvre",
    "O'Neill Hardware Ltd.",
    "Žižka s.r.o.",
    "Ibáñez e Hijos",
];
const CITIES: &[&str] = &["Köln", "Orléans", "Galway", "Plzeň", "A Coruña"];
const NOTES: &[&str] = &[
    "gift wrap",
    "leave at the door",
    "call before delivery",
    "no substitutes",
];
/// Article number, title, price in hundredths.
const ARTICLES: &[(&str, &str, u64)] = &[
    ("TEA-0101", "Green tea, 250 g", 899),
    ("TEA-0102", "Earl Grey, 250 g", 749),
    ("COF-0201", "Espresso beans, 1 kg", 1_850),
    ("COF-0202", "Filter coffee, 500 g", 995),
    ("MUG-0301", "Mug, 0.3 l", 1_290),
    ("POT-0401", "Teapot, 1.2 l", 3_490),
    ("SUG-0501", "Cane sugar, 1 kg", 429),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_has_the_same_bytes() {
        assert_eq!(orders(), orders());
        assert_eq!(stock(), stock());
        assert_eq!(invoices(), invoices());
    }

    #[test]
    fn files_are_where_the_flows_look() {
        let count =
            |files: Vec<DemoFile>, part| files.iter().filter(|file| file.name().contains(part)).count();
        assert_eq!(count(orders(), "orders_"), 4);
        assert_eq!(count(stock(), "stock "), 3);
        assert_eq!(count(invoices(), "INV-"), 9);
        assert!(orders().iter().all(|file| file.path.starts_with("outbound/")));
        assert_eq!(invoices()[0].name(), "INV-202605-0001.xml");
    }

    #[test]
    fn bytes_become_hexadecimal() {
        assert_eq!(hex(&[0, 0x1f, 0xff]), "001fff");
    }
}
