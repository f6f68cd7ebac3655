BEGIN;
UPDATE ticket SET is_open = false WHERE ticket_no = 1;
INSERT INTO ticket VALUES (4, 2, '주소 변경', true, '2026-01-05 11:00');
DELETE FROM consent WHERE email = 'MINA@example.com';
COMMIT;
