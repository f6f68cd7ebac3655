CREATE TABLE ticket (
  ticket_no int PRIMARY KEY,
  member_no int NOT NULL,
  subject   text,
  is_open   boolean NOT NULL DEFAULT true,
  opened_at timestamp(0)
);
CREATE TABLE consent (
  email      varchar(80),
  topic      varchar(20),
  PRIMARY KEY (email, topic)
);
INSERT INTO ticket VALUES (1, 1, '배송 지연', true, '2026-01-02 09:00'), (2, 1, '환불', false, '2026-01-03 10:30'), (3, 9, 'no such member', true, NULL);
INSERT INTO consent VALUES ('mina@example.com', 'news'), ('MINA@example.com', 'offers'), ('junho@example.com', 'news');
