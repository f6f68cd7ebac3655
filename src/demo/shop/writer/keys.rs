//! Keys that change: of orders, lines, members; and join keys that become NULL.

use super::super::names::{self, once_in};
use super::super::text::quote;
use super::desk::{Desk, Done};

impl Desk {
    /// An order gets another number: with its children, without them, or only in another letter case.
    pub async fn rekey_order(&mut self) -> Done {
        let order = self.order().await?;
        if once_in(&mut self.rng, 4) {
            // Equal under the collation, different as text: the target sees another key.
            return self.alone(format!("UPDATE tb_ord_mst SET ord_no = IF(BINARY LEFT(ord_no, 1) = 'O', LOWER(ord_no), UPPER(ord_no)) WHERE ord_no = {order}")).await;
        }
        let number = self.new_order();
        let new = quote(&number);
        let move_in = |table: &str| format!("UPDATE {table} SET ord_no = {new} WHERE ord_no = {order}");
        if once_in(&mut self.rng, 4) {
            return self.alone(move_in("tb_ord_mst")).await;
        }
        const TABLES: [&str; 9] = [
            "tb_ord_mst",
            "tb_ord_dtl",
            "tb_pay",
            "tb_dlv",
            "tb_ord_hist",
            "tb_ord_memo",
            "tb_claim",
            "tb_claim_dtl",
            "tb_cpn_use",
        ];
        let statements: Vec<String> = TABLES.iter().map(|table| move_in(table)).collect();
        self.transaction(statements).await
    }

    /// Two lines swap their numbers, or all lines are renumbered in one statement.
    pub async fn rekey_lines(&mut self) -> Done {
        let order = self.order().await?;
        let set =
            |to: i32, from: i32| format!("UPDATE tb_ord_dtl SET ord_seq = {to} WHERE ord_no = {order} AND ord_seq = {from}");
        match self.rng.u32(..3) {
            0 => self.transaction([set(-1, 1), set(1, 2), set(2, -1)]).await,
            1 => {
                self.alone(format!("UPDATE tb_ord_dtl SET ord_seq = ord_seq + 1 WHERE ord_no = {order} ORDER BY ord_seq DESC"))
                    .await
            }
            _ => self.alone(format!("UPDATE tb_pay SET pay_seq = pay_seq + 100 WHERE ord_no = {order} AND pay_seq < 100")).await,
        }
    }

    /// A member id changes its case, gains a blank, or changes altogether.
    pub async fn rekey_member(&mut self) -> Done {
        let customer = self.customer();
        let member = quote(&names::member_id(customer));
        let new = match self.rng.u32(..3) {
            0 => quote(&names::member_id(customer).to_uppercase()),
            1 => quote(&format!("{} ", names::member_id(customer))),
            _ => quote(&format!("moved{customer:07}")),
        };
        self.alone(format!("UPDATE tb_mbr SET mbr_id = {new} WHERE mbr_id = {member}")).await
    }

    pub async fn null_join_keys(&mut self) -> Done {
        let order = self.order().await?;
        let statement = match self.rng.u32(..6) {
            0 => format!("UPDATE tb_ord_mst SET cust_no = NULL WHERE ord_no = {order}"),
            1 => format!("UPDATE tb_ord_mst SET addr_seq = NULL, emp_no = NULL, brdc_seq = NULL WHERE ord_no = {order}"),
            2 => format!("UPDATE tb_ord_mst SET ord_mbr_id = NULL, chnl_cd = NULL, pay_st_cd = NULL WHERE ord_no = {order}"),
            3 => format!("UPDATE tb_ord_dtl SET opt_no = NULL, wh_cd = NULL, dlv_seq = NULL WHERE ord_no = {order}"),
            4 => format!("UPDATE tb_cpn_use SET ord_no = NULL WHERE ord_no = {order}"),
            _ => {
                format!("UPDATE tb_dlv SET dlv_co_cd = NULL, inv_no = NULL WHERE ord_no = {order}")
            }
        };
        self.alone(statement).await
    }
}
