BEGIN TRANSACTION;
CREATE TABLE financial_accounts (
	link VARCHAR(30) NOT NULL, 
	sealed BLOB NOT NULL, 
	PRIMARY KEY (link)
);
INSERT INTO "financial_accounts" VALUES('lnk_00000000000000000000000001',X'012E3B47A38D1675BCB22EB1B403E483149D30BAF2A81A7F9F0A1A6B11CD14B1F6637FA8B2303F6CAD3A15EC84B6821EFA1E635C69FC087B26139E1334DFBE4967BD764DADAF8FA85DA3ED536F34');
CREATE TABLE linking_links (
	id VARCHAR(30) NOT NULL, 
	agency VARCHAR(8) NOT NULL, 
	channel VARCHAR(64) NOT NULL, 
	state VARCHAR(8) NOT NULL, 
	created_at VARCHAR(32) NOT NULL, 
	activated_at VARCHAR(32), 
	PRIMARY KEY (id)
);
INSERT INTO "linking_links" VALUES('lnk_00000000000000000000000001','99350201','online-bank','active','2026-11-21T04:00:00+00:00','2026-11-21T04:00:00+00:00');
CREATE TABLE linking_pin_sessions (
	id VARCHAR(30) NOT NULL, 
	link VARCHAR(30) NOT NULL, 
	purpose VARCHAR(16) NOT NULL, 
	nonce VARCHAR(64) NOT NULL, 
	kid VARCHAR(64) NOT NULL, 
	expires_at VARCHAR(32) NOT NULL, 
	is_used BOOLEAN NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "linking_pin_sessions" VALUES('pse_00000000000000000000000001','lnk_00000000000000000000000001','ss-pin','nonce','kid','2026-11-21T04:05:00+00:00',1);
CREATE TABLE operations_counters (
	name VARCHAR(64) NOT NULL, 
	next INTEGER NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "operations_counters" VALUES('stan/bureau',20000);
CREATE TABLE operations_facts (
	operation VARCHAR(29) NOT NULL, 
	sequence INTEGER NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (operation, sequence)
);
INSERT INTO "operations_facts" VALUES('op_00000000000000000000000001',0,'[{"fact":"opened","kind":"set-ss-pin","link":"lnk_00000000000000000000000001","at":"2026-11-21T04:00:00+00:00"},{"fact":"moved","exchange":"bureau-pin-set","event":"send","trace":["000001","632504000001","2026-11-21T04:00:00+00:00"],"at":"2026-11-21T04:00:00+00:00"},{"fact":"moved","exchange":"bureau-pin-set","event":"approve","at":"2026-11-21T04:00:00+00:00"},{"fact":"settled","state":"succeeded","at":"2026-11-21T04:00:00+00:00"}]');
INSERT INTO "operations_facts" VALUES('op_00000000000000000000000002',0,'[{"fact":"opened","kind":"set-ss-pin","link":"lnk_00000000000000000000000001","at":"2026-11-21T04:00:00+00:00"},{"fact":"moved","exchange":"bureau-pin-set","event":"send","trace":["000002","632504000002","2026-11-21T04:00:00+00:00"],"at":"2026-11-21T04:00:00+00:00"},{"fact":"moved","exchange":"bureau-pin-set","event":"lose-track","at":"2026-11-21T04:00:00+00:00"},{"fact":"settled","state":"unknown","at":"2026-11-21T04:00:00+00:00"}]');
INSERT INTO "operations_facts" VALUES('op_00000000000000000000000003',0,'[{"fact":"opened","kind":"set-ss-pin","link":"lnk_00000000000000000000000001","at":"2026-11-21T04:00:00+00:00"},{"fact":"moved","exchange":"bureau-pin-set","event":"send","trace":["000003","632504000003","2026-11-21T04:00:00+00:00"],"at":"2026-11-21T04:00:00+00:00"}]');
CREATE TABLE operations_idempotency_keys (
	channel VARCHAR(64) NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	request_digest BLOB NOT NULL, 
	resource VARCHAR(30) NOT NULL, 
	created_at VARCHAR(32) NOT NULL, 
	PRIMARY KEY (channel, "key")
);
INSERT INTO "operations_idempotency_keys" VALUES('online-bank','key-1',X'0000000000000000000000000000000000000000000000000000000000000000','op_00000000000000000000000001','2026-11-21T04:00:00+00:00');
CREATE TABLE operations_operations (
	id VARCHAR(29) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	link VARCHAR(30) NOT NULL, 
	state VARCHAR(12) NOT NULL, 
	is_at_rest BOOLEAN NOT NULL, 
	opened_at VARCHAR(32) NOT NULL, 
	updated_at VARCHAR(32) NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "operations_operations" VALUES('op_00000000000000000000000001','set-ss-pin','lnk_00000000000000000000000001','succeeded',1,'2026-11-21T04:00:00+00:00','2026-11-21T04:00:00+00:00');
INSERT INTO "operations_operations" VALUES('op_00000000000000000000000002','set-ss-pin','lnk_00000000000000000000000001','unknown',1,'2026-11-21T04:00:00+00:00','2026-11-21T04:00:00+00:00');
INSERT INTO "operations_operations" VALUES('op_00000000000000000000000003','set-ss-pin','lnk_00000000000000000000000001','pending',0,'2026-11-21T04:00:00+00:00','2026-11-21T04:00:00+00:00');
CREATE TABLE social_cards (
	link VARCHAR(30) NOT NULL, 
	card_fingerprint BLOB NOT NULL, 
	holds BOOLEAN, 
	sealed BLOB NOT NULL, 
	PRIMARY KEY (link), 
	CONSTRAINT one_active_link_per_card UNIQUE (card_fingerprint, holds)
);
INSERT INTO "social_cards" VALUES('lnk_00000000000000000000000001',X'A6B2A144B73F16A2A6FCB117F9648F25CDAC9EC7E73F6CF6E76A1FD2BDDB60C6',1,X'011DCBD8539F54902EBE2C21EA6E8DCA26CC0DAA62568C1E29A56FC29EA84A35C8A4E2FB64F52CDA7921D9E1B9F970D034B80DFF1632CEFF3E929DFB0DD2B9F5E576BDCFA8FBF6684D9118BA13D78EFB5E26511912773FA4CAA82BAEBDC7');
CREATE INDEX ix_operations_operations_link ON operations_operations (link);
CREATE INDEX ix_operations_operations_is_at_rest ON operations_operations (is_at_rest);
CREATE INDEX ix_linking_pin_sessions_link ON linking_pin_sessions (link);
COMMIT;
