//! What happens to orders: placed, paid, shipped, delivered, cancelled, returned, changed, hidden, deleted.

use super::super::names::{self, once_in, pick, typed_member_id};
use super::super::text::{Insert, money, quote};
use super::desk::{Desk, Done};
use mysql_async::Error;

impl Desk {
    /// One transaction over up to seven tables.
    pub async fn place_order(&mut self) -> Done {
        let number = self.new_order();
        let (header, lines, amount) = self.new_order_rows(&number);
        let order = quote(&number);
        let now = self.now();
        self.run("BEGIN").await?;
        self.run(header).await?;
        self.run(lines).await?;
        self.run(format!("INSERT INTO tb_ord_hist VALUES ({order}, 1, '10', {now}, NULL)")).await?;
        let method = pick(&mut self.rng, &["01", "01", "02", "03", "04", "ZZ"]);
        let amount = money(amount);
        self.run(format!(
            "INSERT INTO tb_pay VALUES ({order}, 1, '{method}', '10', {amount}, NULL, 0, NULL, '0000-00-00 00:00:00')"
        ))
        .await?;
        if once_in(&mut self.rng, 4) {
            let (coupon, day) = (self.rng.u32(1..14), self.today());
            self.run(format!(
                "INSERT INTO tb_cpn_use (cpn_no, ord_no, use_amt, use_dt) VALUES ({coupon}, {order}, 1500, '{day}')"
            ))
            .await?;
        }
        let item = self.item();
        self.run(format!("UPDATE tb_stock SET stk_qty = stk_qty - 1 WHERE item_no = {item}")).await?;
        self.commit().await
    }

    fn new_order_rows(&mut self, number: &str) -> (String, String, i64) {
        let customer = (!once_in(&mut self.rng, 8)).then(|| self.customer());
        let member = customer.filter(|_| self.rng.bool()).map(|customer| typed_member_id(&mut self.rng, customer));
        let (today, phone) = (self.today(), names::phone(&mut self.rng));
        let rng = &mut self.rng;
        let mut header = Insert::into("tb_ord_mst");
        header.row().text(number).number_or_null(customer.map(i64::from)).text_or_null(member.as_deref()).text(&today);
        header
            .text(&super::super::generate::time(rng.u32(..86_400)))
            .text(pick(rng, &["NORMAL", "RESERVE", "REGULAR"]))
            .text("10");
        header.text_or_null((!once_in(rng, 9)).then(|| pick(rng, &["TV", "WEB", "MOB", "CTL", "ZZ"]))).text("10");
        header.number_or_null((!once_in(rng, 5)).then(|| rng.i64(1..4))).text_or_null(once_in(rng, 3).then_some("E00002"));
        header.text("20230103").number(1).money(250_000).text("0000-00-00").text("").text(&phone).text("N");
        let now = super::super::generate::datetime(&today, rng.u32(..86_400));
        header.text(&now).text("2025-01-01 00:00:00");
        let mut lines = Insert::into("tb_ord_dtl");
        let mut amount = 0;
        for line in 1..=self.rng.u32(1..5) {
            let (item, quantity, price) = (self.item(), self.rng.i64(1..6), self.amount());
            let rng = &mut self.rng;
            lines.row().text(number).number(line).number(item).number_or_null(rng.bool().then(|| rng.i64(1..4)));
            lines.text(&names::item(rng)).number(quantity).money(price).null().text("10").text("W01").null().text("N");
            amount += quantity * price;
        }
        (header.statement().unwrap_or_default(), lines.statement().unwrap_or_default(), amount)
    }

    async fn add_history(&mut self, order: &str, state: &str) -> Result<(), Error> {
        let now = self.now();
        self.run(format!(
            "INSERT INTO tb_ord_hist SELECT {order}, COALESCE(MAX(hist_seq), 0) + 1, '{state}', {now}, 'E00003' FROM tb_ord_hist WHERE ord_no = {order}"
        ))
        .await
    }

    pub async fn pay(&mut self) -> Done {
        let order = self.order().await?;
        let now = self.now();
        self.run("BEGIN").await?;
        if once_in(&mut self.rng, 3) {
            let (amount, method) = (money(self.amount()), pick(&mut self.rng, &["01", "02", "04"]));
            self.run(format!(
                "INSERT INTO tb_pay SELECT {order}, COALESCE(MAX(pay_seq), 0) + 1, '{method}', '20', {amount}, NULL, 3, '00112233', {now} \
                 FROM tb_pay WHERE ord_no = {order}"
            ))
            .await?;
        } else {
            self.run(format!("UPDATE tb_pay SET pay_st_cd = '20', apv_dtm = {now}, apv_no = '00998877' WHERE ord_no = {order}"))
                .await?;
        }
        self.run(format!("UPDATE tb_ord_mst SET pay_st_cd = '20', ord_st_cd = '20' WHERE ord_no = {order}")).await?;
        self.add_history(&order, "20").await?;
        self.commit().await
    }

    pub async fn ship(&mut self) -> Done {
        let order = self.order().await?;
        let day = self.today();
        let carrier = pick(&mut self.rng, &["01", "02", "03", "88"]);
        let invoice = self.rng.u64(..1_000_000_000_000);
        self.run("BEGIN").await?;
        self.run(format!(
            "INSERT INTO tb_dlv SELECT {order}, COALESCE(MAX(dlv_seq), 0) + 1, '{carrier}', '{invoice:012}', '30', '', '{day}', \
             '0000-00-00 00:00:00' FROM tb_dlv WHERE ord_no = {order}"
        ))
        .await?;
        self.run(format!(
            "UPDATE tb_ord_dtl SET dtl_st_cd = '30', dlv_seq = (SELECT MAX(v.dlv_seq) FROM tb_dlv v WHERE v.ord_no = {order}) \
             WHERE ord_no = {order} AND cncl_yn = 'N'"
        ))
        .await?;
        self.run(format!("UPDATE tb_ord_mst SET ord_st_cd = '40' WHERE ord_no = {order}")).await?;
        self.add_history(&order, "40").await?;
        self.commit().await
    }

    pub async fn deliver(&mut self) -> Done {
        let order = self.order().await?;
        let now = self.now();
        self.transaction([
            format!("UPDATE tb_dlv SET dlv_st_cd = '50', dlv_dtm = {now} WHERE ord_no = {order}"),
            format!("UPDATE tb_ord_dtl SET dtl_st_cd = '50' WHERE ord_no = {order}"),
            format!("UPDATE tb_ord_mst SET ord_st_cd = '50' WHERE ord_no = {order}"),
        ])
        .await
    }

    pub async fn cancel_line(&mut self) -> Done {
        let order = self.order().await?;
        self.transaction([
            format!("UPDATE tb_ord_dtl SET cncl_yn = 'Y', dtl_st_cd = '90' WHERE ord_no = {order} ORDER BY ord_seq DESC LIMIT 1"),
            format!("UPDATE tb_pay SET pay_st_cd = '30', pay_amt = pay_amt / 2 WHERE ord_no = {order} AND pay_seq = 1"),
        ])
        .await
    }

    pub async fn cancel_order(&mut self) -> Done {
        let order = self.order().await?;
        let day = self.today();
        self.run("BEGIN").await?;
        self.run(format!("UPDATE tb_ord_mst SET ord_st_cd = '90', cncl_dt = '{day}', pay_st_cd = '90' WHERE ord_no = {order}"))
            .await?;
        self.run(format!("UPDATE tb_ord_dtl SET cncl_yn = 'Y', dtl_st_cd = '90' WHERE ord_no = {order}")).await?;
        self.run(format!("UPDATE tb_cpn_use SET ord_no = NULL WHERE ord_no = {order}")).await?; // the coupon may be used again
        self.add_history(&order, "90").await?;
        self.commit().await
    }

    pub async fn return_goods(&mut self) -> Done {
        let order = self.order().await?;
        let claim = quote(&format!("R{:015}", self.rng.u64(..1_000_000_000_000_000)));
        let (day, amount) = (self.today(), money(self.amount()));
        let kind = pick(&mut self.rng, &["RETURN", "RETURN", "EXCHANGE"]);
        self.run("BEGIN").await?;
        self.run(format!("INSERT INTO tb_claim VALUES ({claim}, {order}, '{kind}', '10', '01', '{day}')")).await?;
        self.run(format!(
            "INSERT INTO tb_claim_dtl SELECT {claim}, ord_seq, ord_no, ord_seq, 1 FROM tb_ord_dtl WHERE ord_no = {order}"
        ))
        .await?;
        self.run(format!(
            "INSERT INTO tb_rfnd (clm_no, ord_no, mtd_cd, rfnd_amt, rfnd_dt) VALUES ({claim}, {order}, '01', {amount}, '')"
        ))
        .await?;
        self.commit().await
    }

    pub async fn edit_order(&mut self) -> Done {
        let order = self.order().await?;
        let change = match self.rng.u32(..7) {
            0 => format!("rcv_hp_no = {}", quote(&names::phone(&mut self.rng))),
            1 => format!("ord_tp = '{}'", pick(&mut self.rng, &["NORMAL", "RESERVE", "REGULAR"])),
            2 => format!("ord_st_cd = '{}'", pick(&mut self.rng, &["10", "60", "77", "80", "90 "])),
            3 => format!("dlv_amt = {}", money(self.rng.i64(0..5_000) * 100)),
            4 => format!("chnl_cd = '{}'", pick(&mut self.rng, &["TV", "tv", "WEB", "CTL", "MOB "])), // equal under the collation
            5 => "addr_seq = COALESCE(addr_seq, 0) % 3 + 1".into(),
            _ => format!("cncl_dt = '{}'", pick(&mut self.rng, &["", "20240301", "00000000", "20240231"])),
        };
        self.alone(format!("UPDATE tb_ord_mst SET {change} WHERE ord_no = {order}")).await
    }

    pub async fn delete_order(&mut self) -> Done {
        let order = self.order().await?;
        const CHILDREN: [&str; 6] = ["tb_ord_dtl", "tb_pay", "tb_dlv", "tb_ord_hist", "tb_rfnd", "tb_ord_memo"];
        // One in six leaves the children behind, as a program without foreign keys does.
        let orphans = once_in(&mut self.rng, 6);
        let children = CHILDREN.iter().filter(|_| !orphans).map(|table| format!("DELETE FROM {table} WHERE ord_no = {order}"));
        let statements: Vec<String> = children.chain([format!("DELETE FROM tb_ord_mst WHERE ord_no = {order}")]).collect();
        self.transaction(statements).await
    }

    pub async fn hide_order(&mut self) -> Done {
        let order = self.order().await?;
        self.alone(format!("UPDATE tb_ord_mst SET del_yn = IF(del_yn = 'Y', 'N', 'Y') WHERE ord_no = {order}")).await
    }
}
