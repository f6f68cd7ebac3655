//! Master data: codes, people, goods.

use super::super::names::{self, BRANDS, CARRIERS, CATEGORIES, CODES, GRADES, METHODS, WAREHOUSES, once_in};
use super::super::text::Insert;
use super::{HISTORY_DAYS, Sizes, ZERO_DATE, ZERO_DATETIME, chunk_rng, datetime, day, time};
use fastrand::Rng;
use std::ops::Range;

/// Every table whose size hardly depends on the number of orders.
pub(in super::super) fn small_tables(seed: u64, sizes: Sizes) -> Vec<Insert> {
    let mut rng = chunk_rng(seed, 1, 0);
    let mut inserts = codes();
    inserts.extend(fixed());
    inserts.push(employees(&mut rng, sizes));
    inserts.push(vendors(&mut rng, sizes));
    inserts.push(coupons(&mut rng, sizes));
    inserts.push(broadcasts(&mut rng));
    inserts
}

fn codes() -> Vec<Insert> {
    let (mut groups, mut codes) = (Insert::into("tb_cmm_cd_grp"), Insert::into("tb_cmm_cd"));
    for (group, group_name, members) in CODES {
        groups.row().text(group).text(group_name).text("Y");
        for (sort, (code, name)) in (1i64..).zip(members.iter()) {
            let used = if *code == "CTL" { "N" } else { "Y" };
            codes.row().text(group).text(code).text(name).null().number(sort).text(used).text(ZERO_DATETIME);
        }
    }
    vec![groups, codes]
}

fn fixed() -> Vec<Insert> {
    let mut grades = Insert::into("tb_cust_grd");
    for (code, name, rate) in GRADES {
        grades.row().text(code).text(name).money(*rate);
    }
    let mut carriers = Insert::into("tb_dlv_co");
    for (code, name) in CARRIERS {
        carriers.row().text(code).text(name).text("");
    }
    let mut methods = Insert::into("tb_pay_mtd");
    for (code, name, fee) in METHODS {
        methods.row().text(code).text(name).text(fee).text("Y");
    }
    let mut warehouses = Insert::into("tb_wh");
    for (code, name) in WAREHOUSES {
        warehouses.row().text(code).text(name).text("01").text("Y");
    }
    let mut categories = Insert::into("tb_ctg");
    for (number, name) in CATEGORIES {
        categories.row().text(number).text(name).text("Y");
    }
    let mut brands = Insert::into("tb_brand");
    for (code, name, english) in BRANDS {
        brands.row().text(code).text(name).text_or_null(*english);
    }
    vec![grades, carriers, methods, warehouses, categories, brands]
}

fn employees(rng: &mut Rng, sizes: Sizes) -> Insert {
    let mut insert = Insert::into("tb_emp");
    for number in 1..=sizes.employees {
        let left = if once_in(rng, 10) { "20240630" } else { "" };
        insert.row().text(&format!("E{number:05}")).text(&names::plain_person(rng)).text("CS1").text("20150302").text(left);
    }
    insert
}

fn vendors(rng: &mut Rng, sizes: Sizes) -> Insert {
    let mut insert = Insert::into("tb_vendor");
    for number in 1..=sizes.vendors {
        let business = format!("{:010}", rng.u64(1_000_000_000..9_999_999_999));
        insert
            .row()
            .number(number)
            .text(&names::first_vendor(number))
            .text(&names::plain_person(rng))
            .text(&business)
            .text("직매입");
    }
    insert
}

fn coupons(rng: &mut Rng, sizes: Sizes) -> Insert {
    let mut insert = Insert::into("tb_cpn");
    for number in 1..=sizes.coupons {
        insert.row().number(number).text(&format!("쿠폰 {number}호"));
        if rng.bool() {
            insert.money(rng.i64(1..30) * 100).null();
        } else {
            insert.null().money(rng.i64(1..20) * 100_000);
        }
    }
    insert
}

fn broadcasts(rng: &mut Rng) -> Insert {
    let mut insert = Insert::into("tb_brdc");
    for number in (0..HISTORY_DAYS).filter(|number| number % 2 == 0) {
        for sequence in 1..=2u32 {
            let host = if once_in(rng, 8) { None } else { Some(names::plain_person(rng)) };
            let start = time(sequence * 36_000);
            insert.row().text(&day(number)).number(sequence).text(names::show(rng)).text_or_null(host.as_deref()).text(&start);
        }
    }
    insert
}

/// Customers of a range, their addresses and member ids. `range` counts from 0; numbers start at 1.
pub(in super::super) fn customers(seed: u64, sizes: Sizes, range: Range<u32>) -> Vec<Insert> {
    let mut rng = chunk_rng(seed, 2, range.start);
    let (mut people, mut addresses, mut members) =
        (Insert::into("tb_cust"), Insert::into("tb_cust_addr"), Insert::into("tb_mbr"));
    for number in range.start + 1..=range.end.min(sizes.customers) {
        customer(&mut rng, &mut people, number);
        for sequence in 1..=rng.u32(1..=3).min(2) {
            let detail = match rng.u32(..5) {
                0 => None,
                1 => Some(String::new()),
                _ => Some(format!("{}동 {}호", rng.u32(101..120), rng.u32(101..2500))),
            };
            let standard = if sequence == 1 { "Y" } else { "N" };
            addresses.row().number(number).number(sequence).text(&names::plain_person(&mut rng)).text(&names::postcode(&mut rng));
            addresses
                .text(&names::address(&mut rng))
                .text_or_null(detail.as_deref())
                .text(&names::phone(&mut rng))
                .text(standard);
        }
        if !once_in(&mut rng, 3) {
            let state = names::pick(&mut rng, &["10", "10", "10", "20", "90", "77"]);
            let last = if once_in(&mut rng, 4) {
                ZERO_DATETIME.into()
            } else {
                datetime(&day(rng.u32(..HISTORY_DAYS)), rng.u32(..86_400))
            };
            members.row().text(&names::member_id(number)).number(number).text(state).text(&last);
        }
    }
    vec![people, addresses, members]
}

fn customer(rng: &mut Rng, people: &mut Insert, number: u32) {
    let grade = match rng.u32(..12) {
        0 => None,
        1 => Some("X"), // a grade that was removed from the grade table
        2 => Some("V"),
        3 | 4 => Some("G"),
        5..8 => Some("S"),
        _ => Some("W"),
    };
    let left = if once_in(rng, 30) { "2024-05-01" } else { ZERO_DATE };
    let email = if rng.bool() { Some(format!("user{number}@example.com")) } else { None };
    people.row().number(number).text_or_null(names::person(rng).as_deref()).text_or_null(grade);
    people.text(&format!("19{:02}0{}15", rng.u32(40..99), rng.u32(1..10))).text(names::pick(rng, &["M", "F", ""]));
    people
        .text(&names::phone(rng))
        .text_or_null(email.as_deref())
        .text(&day(rng.u32(..HISTORY_DAYS)))
        .text(left)
        .text(ZERO_DATETIME);
}

/// Items of a range, their options, stock and price history. `range` counts from 0; numbers start at 1.
pub(in super::super) fn items(seed: u64, sizes: Sizes, range: Range<u32>) -> Vec<Insert> {
    let mut rng = chunk_rng(seed, 3, range.start);
    let mut goods = Insert::into("tb_item");
    let mut options = Insert::into("tb_item_opt");
    let mut stock = Insert::into("tb_stock");
    let mut prices = Insert::into("tb_item_prc_hist");
    for number in range.start + 1..=range.end.min(sizes.items) {
        let price = rng.i64(10..3_000) * 10_000;
        item(&mut rng, &mut goods, number, price, sizes);
        prices.row().number(number).text("20230101").number(1).money(price);
        for option in 1..=rng.u32(1..4) {
            let surcharge = if once_in(&mut rng, 3) { rng.i64(1..9) * 100_000 } else { 0 };
            options.row().number(number).number(option).text(names::option(&mut rng)).money(surcharge).text("Y");
            for (warehouse, _) in WAREHOUSES.iter().take(rng.usize(1..=2)) {
                stock.row().text(warehouse).number(number).number(option).number(rng.i64(-20..5_000)).text("2024-01-01 09:00:00");
            }
        }
    }
    vec![goods, options, stock, prices]
}

fn item(rng: &mut Rng, goods: &mut Insert, number: u32, price: i64, sizes: Sizes) {
    let brand = match rng.u32(..9) {
        0 => None,
        1 => Some("B999"), // no such brand
        _ => Some(names::pick(rng, &["B001", "B002", "B003", "B004", "B005", "B006", "B007"])),
    };
    let vendor = if once_in(rng, 15) { None } else { Some(i64::from(rng.u32(1..=sizes.vendors + 1))) };
    goods
        .row()
        .number(number)
        .text(&names::item(rng))
        .text_or_null(names::category(rng))
        .text_or_null(brand)
        .number_or_null(vendor);
    goods.money(price).text(names::pick(rng, &["TAX", "TAX", "TAX", "FREE", "ZERO"])).text("20230101").text("99991231");
    goods.number(if once_in(rng, 5) { 0 } else { rng.i64(2015..2025) }).number(rng.i64(1..20)).text(ZERO_DATETIME);
}
