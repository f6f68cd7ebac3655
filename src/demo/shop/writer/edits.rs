//! What happens to master data: customers, addresses, members, items, vendors, codes.

use super::super::names::{self, once_in, pick};
use super::super::text::{money, quote, quote_or_null};
use super::desk::{Desk, Done};

impl Desk {
    pub async fn edit_customer(&mut self) -> Done {
        let customer = self.customer();
        let now = self.now();
        let change = match self.rng.u32(..4) {
            0 | 1 => format!("cust_nm = {}", quote_or_null(names::person(&mut self.rng).as_deref())),
            2 => format!("grd_cd = {}", pick(&mut self.rng, &["'V'", "'g'", "'S'", "'X'", "NULL"])),
            _ => format!("wthd_de = '{}'", pick(&mut self.rng, &["0000-00-00", "2024-12-31"])),
        };
        if once_in(&mut self.rng, 12) {
            return self.alone(format!("DELETE FROM tb_cust WHERE cust_no = {customer}")).await;
        }
        if once_in(&mut self.rng, 12) {
            let name = quote_or_null(names::person(&mut self.rng).as_deref());
            return self.alone(format!("INSERT INTO tb_cust (cust_no, cust_nm, grd_cd) VALUES ({customer}, {name}, 'W')")).await;
        }
        self.alone(format!("UPDATE tb_cust SET {change}, mod_dtm = {now} WHERE cust_no = {customer}")).await
    }

    pub async fn edit_address(&mut self) -> Done {
        let (customer, sequence) = (self.customer(), self.rng.u32(1..4));
        let (receiver, postcode) = (quote(&names::plain_person(&mut self.rng)), quote(&names::postcode(&mut self.rng)));
        let address = quote(&names::address(&mut self.rng));
        let statement = match self.rng.u32(..4) {
            0 => format!("DELETE FROM tb_cust_addr WHERE cust_no = {customer} AND addr_seq = {sequence}"),
            1 => format!(
                "INSERT INTO tb_cust_addr VALUES ({customer}, {sequence}, {receiver}, {postcode}, {address}, '', '', 'N')"
            ),
            2 => format!("UPDATE tb_cust_addr SET addr_seq = addr_seq + 10 WHERE cust_no = {customer} AND addr_seq = {sequence}"),
            _ => format!(
                "UPDATE tb_cust_addr SET rcv_nm = {receiver}, zip_no = {postcode}, addr2 = NULL WHERE cust_no = {customer} AND addr_seq = {sequence}"
            ),
        };
        self.alone(statement).await
    }

    pub async fn edit_member(&mut self) -> Done {
        let customer = self.customer();
        let member = quote(&names::member_id(customer));
        let now = self.now();
        let statement = match self.rng.u32(..4) {
            0 => format!("DELETE FROM tb_mbr WHERE mbr_id = {member}"),
            1 => format!("INSERT INTO tb_mbr VALUES ({member}, {customer}, '10', '0000-00-00 00:00:00')"),
            2 => format!("UPDATE tb_mbr SET mbr_st_cd = '20' WHERE mbr_id = {member}"),
            _ => format!("UPDATE tb_mbr SET lst_lgn_dtm = {now} WHERE mbr_id = {member}"),
        };
        self.alone(statement).await
    }

    /// The join key of an order is assigned later, or to somebody else.
    pub async fn link_customer(&mut self) -> Done {
        let order = self.order().await?;
        let customer = self.customer();
        let member = quote(&names::typed_member_id(&mut self.rng, customer));
        let statement = match self.rng.u32(..3) {
            0 => format!("UPDATE tb_ord_mst SET cust_no = {customer} WHERE ord_no = {order}"),
            1 => {
                format!("UPDATE tb_ord_mst SET cust_no = {customer}, ord_mbr_id = {member}, addr_seq = 1 WHERE ord_no = {order}")
            }
            _ => format!("UPDATE tb_ord_mst SET ord_mbr_id = {member} WHERE ord_no = {order}"),
        };
        self.alone(statement).await
    }

    pub async fn edit_item(&mut self) -> Done {
        let item = self.item();
        let now = self.now();
        let change = match self.rng.u32(..6) {
            0 | 1 => format!("item_nm = {}", quote(&names::item(&mut self.rng))),
            2 => format!("ctg_no = {}", quote_or_null(names::category(&mut self.rng))),
            3 => format!("tax_tp = '{}'", pick(&mut self.rng, &["TAX", "FREE", "ZERO"])),
            4 => format!("vndr_no = {}", self.rng.u32(1..=self.vendors)),
            _ => format!("brand_cd = {}", pick(&mut self.rng, &["'B001'", "'b002 '", "'B999'", "NULL"])),
        };
        if once_in(&mut self.rng, 5) {
            let surcharge = money(self.amount());
            return self
                .alone(format!("UPDATE tb_item_opt SET opt_nm = CONCAT(opt_nm, '*'), add_prc = {surcharge} WHERE item_no = {item} AND opt_no = 1 AND CHAR_LENGTH(opt_nm) < 50"))
                .await;
        }
        self.alone(format!("UPDATE tb_item SET {change}, mod_dtm = {now} WHERE item_no = {item}")).await
    }

    /// The EUC-KR table, with syllables outside of KS X 1001.
    pub async fn edit_vendor(&mut self) -> Done {
        let vendor = self.rng.u32(1..=self.vendors);
        let name = quote(&names::vendor(&mut self.rng));
        if once_in(&mut self.rng, 4) {
            self.vendors = self.vendors.saturating_add(1);
            let number = self.vendors;
            return self.alone(format!("INSERT INTO tb_vendor VALUES ({number}, {name}, '똠이', '1234567890', '위탁')")).await;
        }
        self.alone(format!("UPDATE tb_vendor SET vndr_nm = {name} WHERE vndr_no = {vendor}")).await
    }

    /// A name that hundreds or thousands of target rows carry; MyISAM tables among them.
    pub async fn rename_code(&mut self) -> Done {
        let mark = self.rng.u32(1..100);
        let now = self.now();
        let (group, code, name) = match self.rng.u32(..10) {
            0..2 => ("ORD_ST", "80", "보류중"),
            2 => ("ORD_ST", "30", "출고지시"),
            3 => ("CHNL", "ARS", "자동주문"),
            4 => ("MBR_ST", "20", "휴면"),
            5 => ("CLM_RS", "02", "상품불량"),
            6 => {
                return self.alone(format!("UPDATE tb_pay_mtd SET mtd_nm = '상품권 {mark}' WHERE mtd_cd = '09'")).await;
            }
            7 => return self.alone(format!("UPDATE tb_dlv_co SET dlv_co_nm = '직접배송 {mark}' WHERE dlv_co_cd = '09'")).await,
            8 => return self.toggle_code().await,
            _ => {
                return self.alone(format!("UPDATE tb_ctg SET ctg_nm = '간편식 {mark}' WHERE ctg_no = '020201'")).await;
            }
        };
        self.alone(format!(
            "UPDATE tb_cmm_cd SET cd_nm = '{name} {mark}', mod_dtm = {now} WHERE cd_grp = '{group}' AND cd = '{code}'"
        ))
        .await
    }

    /// The code that data uses and the code table lacks appears, and goes again.
    async fn toggle_code(&mut self) -> Done {
        let there = self.number("SELECT COUNT(*) FROM tb_cmm_cd WHERE cd_grp = 'ORD_ST' AND cd = '77'").await?;
        let statement = match there {
            Some(0) | None => "INSERT INTO tb_cmm_cd (cd_grp, cd, cd_nm) VALUES ('ORD_ST', '77', '이관전 상태')",
            Some(_) => "DELETE FROM tb_cmm_cd WHERE cd_grp = 'ORD_ST' AND cd = '77'",
        };
        self.alone(statement).await
    }
}
