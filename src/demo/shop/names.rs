//! The words the shop's data is made of: Hangul with syllables outside of KS X 1001 (똠, 펲, 믜), emoji, blanks and traps.

use fastrand::Rng;

/// A code and its name.
type Code = (&'static str, &'static str);

/// Code rows: group, name of the group, and its codes in order. Code `77` of several groups is used by data and missing here.
pub(super) const CODES: &[(&str, &str, &[Code])] = &[
    (
        "ORD_ST",
        "주문상태",
        &[
            ("10", "주문접수"),
            ("20", "결제완료"),
            ("30", "출고지시"),
            ("40", "배송중"),
            ("50", "배송완료"),
            ("60", "구매확정"),
            ("80", "보류"),
            ("90", "취소"),
        ],
    ),
    ("DTL_ST", "상세상태", &[("10", "접수"), ("30", "출고"), ("50", "완료"), ("70", "반품"), ("90", "취소")]),
    ("PAY_ST", "결제상태", &[("10", "입금대기"), ("20", "결제완료"), ("30", "부분취소"), ("90", "결제취소")]),
    ("DLV_ST", "배송상태", &[("10", "배송준비"), ("20", "집화"), ("30", "배송중"), ("50", "배송완료")]),
    ("CHNL", "주문채널", &[("TV", "TV방송"), ("WEB", "인터넷몰"), ("MOB", "모바일"), ("ARS", "자동주문"), ("CTL", "카탈로그")]),
    ("MBR_ST", "회원상태", &[("10", "정상"), ("20", "휴면"), ("90", "탈퇴")]),
    ("CLM_RS", "클레임사유", &[("01", "단순변심"), ("02", "상품불량"), ("03", "오배송"), ("04", "배송지연")]),
    ("RGN", "지역", &[("01", "수도권"), ("02", "영남"), ("03", "호남")]),
];

pub(super) const GRADES: &[(&str, &str, i64)] = &[("V", "VIP", 300), ("G", "골드", 200), ("S", "실버", 100), ("W", "웰컴", 50)];
pub(super) const CARRIERS: &[(&str, &str)] =
    &[("01", "대한통운"), ("02", "한진택배"), ("03", "우체국택배"), ("04", "롯데택배"), ("09", "직접배송")];
pub(super) const METHODS: &[(&str, &str, &str)] = &[
    ("01", "신용카드", "2.450"),
    ("02", "무통장입금", "0.000"),
    ("03", "휴대폰결제", "3.800"),
    ("04", "간편결제", "1.925"),
    ("09", "상품권", "0.500"),
];
pub(super) const WAREHOUSES: &[(&str, &str)] = &[("W01", "이천물류센터"), ("W02", "군포물류센터"), ("W03", "양산물류센터")];
pub(super) const CATEGORIES: &[(&str, &str)] = &[
    ("01", "패션"),
    ("0101", "여성의류"),
    ("010101", "원피스"),
    ("010102", "블라우스"),
    ("0102", "남성의류"),
    ("010201", "셔츠"),
    ("02", "식품"),
    ("0201", "건강식품"),
    ("020101", "홍삼"),
    ("020102", "유산균"),
    ("0202", "간편식"),
    ("020201", "갈비탕"),
    ("03", "주방"),
    ("0301", "조리도구"),
    ("030101", "프라이팬"),
    ("030102", "냄비"),
    ("04", "가전"),
    ("0401", "생활가전"),
    ("040101", "청소기"),
    ("040102", "공기청정기"),
];
/// Leaf categories in use; the last two have no row.
const LEAVES: &[&str] = &[
    "010101", "010102", "010201", "020101", "020102", "020201", "030101", "030102", "040101", "040102", "0401", "03", "050101",
    "990001",
];
pub(super) const BRANDS: &[(&str, &str, Option<&str>)] = &[
    ("B001", "한샘", Some("Hanssem")),
    ("B002", "정관장", None),
    ("B003", "해피콜", Some("Happycall")),
    ("B004", "", Some("No Brand")),
    ("B005", "똠양꿍식품", Some("Tom Yum")),
    ("B006", "다이슨", Some("Dyson")),
    ("B007", "프리미엄 O'neill", Some("O'Neill")),
];
const VENDORS: &[&str] = &[
    "똠방각하상사",
    "펲시유통",
    "믜리내무역",
    "서울물산",
    "한빛상회",
    "뷁전자",
    "삼진어묵",
    "동해수산",
    "쫀득떡집",
    "(주)가나다",
];
const SURNAMES: &[&str] = &["김", "이", "박", "최", "정", "강", "조", "윤", "장", "임", "남궁", "황보"];
const GIVEN: &[&str] =
    &["민준", "서연", "도윤", "지우", "하준", "서현", "영희", "철수", "똠이", "슬기", "아름", "빛나", "현우", "수빈"];
const GOODS: &[&str] = &[
    "원피스",
    "블라우스",
    "홍삼정",
    "유산균",
    "갈비탕",
    "프라이팬",
    "냄비세트",
    "무선청소기",
    "공기청정기",
    "극세사이불",
    "똠양꿍 밀키트",
];
const MARKS: &[&str] = &["[방송중]", "[무료배송]", "(특가)", "", "", "20% 할인", "\\한정\\", "1+1"];
const OPTIONS: &[&str] = &["블랙/M", "화이트/L", "네이비/XL", "단품", "2박스", "선물포장", "", "색상랜덤 "];
const ROADS: &[&str] =
    &["서울 강남구 테헤란로", "부산 해운대구 센텀로", "경기 성남시 판교역로", "광주 서구 상무대로", "제주 제주시 첨단로"];
const MEMOS: &[&str] = &[
    "👍 빠른 배송 부탁드려요 🎁",
    "부재시 경비실",
    "고객 통화 안됨\n재통화 요망",
    "👨‍👩‍👧‍👦 선물용",
    "",
    " 앞뒤 공백 ",
    "it's \"ok\"",
    "똠방각하님 요청",
    "환불 문의 😡",
];
const SHOWS: &[&str] = &["최유라쇼", "왕톡", "동가게", "쇼미더트렌드", "아침愛홈쇼핑"];

/// A random element; `""` of an empty list.
pub(super) fn pick<'a>(rng: &mut Rng, list: &[&'a str]) -> &'a str {
    list.get(rng.usize(..list.len().max(1))).copied().unwrap_or_default()
}

/// True once in `n`.
pub(super) fn once_in(rng: &mut Rng, n: u32) -> bool {
    rng.u32(..n.max(1)) == 0
}

/// A customer's name; sometimes NULL, empty or with blanks around it.
pub(super) fn person(rng: &mut Rng) -> Option<String> {
    let name = format!("{}{}", pick(rng, SURNAMES), pick(rng, GIVEN));
    match rng.u32(..40) {
        0 => None,
        1 => Some(String::new()),
        2 => Some(format!(" {name}  ")),
        _ => Some(name),
    }
}

/// A name that is always there: employees, hosts, receivers.
pub(super) fn plain_person(rng: &mut Rng) -> String {
    format!("{}{}", pick(rng, SURNAMES), pick(rng, GIVEN))
}

pub(super) fn item(rng: &mut Rng) -> String {
    format!("{} {} {}", pick(rng, MARKS), pick(rng, GOODS), rng.u32(1..999)).trim_start().into()
}

pub(super) fn option(rng: &mut Rng) -> &'static str {
    pick(rng, OPTIONS)
}

pub(super) fn vendor(rng: &mut Rng) -> String {
    format!("{} {}", pick(rng, VENDORS), rng.u32(1..99))
}

/// The first name of vendor `number`; all syllables appear even in the smallest shop.
pub(super) fn first_vendor(number: u32) -> String {
    let name = VENDORS.iter().cycle().nth(number as usize % VENDORS.len()).copied().unwrap_or_default();
    format!("{name} {number}호점")
}

pub(super) fn address(rng: &mut Rng) -> String {
    format!("{} {}", pick(rng, ROADS), rng.u32(1..400))
}

pub(super) fn memo(rng: &mut Rng) -> Option<&'static str> {
    if once_in(rng, 12) { None } else { Some(pick(rng, MEMOS)) }
}

pub(super) fn show(rng: &mut Rng) -> &'static str {
    pick(rng, SHOWS)
}

pub(super) fn category(rng: &mut Rng) -> Option<&'static str> {
    if once_in(rng, 25) { None } else { Some(pick(rng, LEAVES)) }
}

/// A postcode in one of the three forms twenty years left behind.
pub(super) fn postcode(rng: &mut Rng) -> String {
    match rng.u32(..6) {
        0 => format!("{:03}-{:03}", rng.u32(100..800), rng.u32(1..999)),
        1 => format!(" {} ", rng.u32(1000..9999)),
        _ => format!("{:05}", rng.u32(1000..63_000)),
    }
}

pub(super) fn phone(rng: &mut Rng) -> String {
    match rng.u32(..20) {
        0 => String::new(),
        1..4 => format!("010{:08}", rng.u32(..100_000_000)),
        _ => format!("010-{:04}-{:04}", rng.u32(..10_000), rng.u32(..10_000)),
    }
}

/// The member id of a customer as it is stored.
pub(super) fn member_id(customer: u32) -> String {
    format!("user{customer:07}")
}

/// A member id as somebody types it: any case, now and then a trailing blank.
pub(super) fn typed_member_id(rng: &mut Rng, customer: u32) -> String {
    let stored = member_id(customer);
    match rng.u32(..6) {
        0 => stored.to_uppercase(),
        1 => stored.replace('u', "U"),
        2 => format!("{stored} "),
        _ => stored,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vendor_name_has_an_euc_kr_form() {
        for name in VENDORS {
            let (_, _, unmappable) = encoding_rs::EUC_KR.encode(name);
            assert!(!unmappable, "{name}");
        }
    }

    #[test]
    fn choices_repeat_with_the_seed() {
        let draw = |seed| {
            let mut rng = Rng::with_seed(seed);
            (0..50).map(|_| format!("{:?}{}{}", person(&mut rng), item(&mut rng), postcode(&mut rng))).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }
}
