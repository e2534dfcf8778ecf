-- written by flowplan with state format 2
PRAGMA application_id = 1718382455;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE leases (
    stack TEXT PRIMARY KEY REFERENCES stacks(name), id TEXT NOT NULL, token INTEGER NOT NULL, operation TEXT NOT NULL,
    who TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL, started TEXT NOT NULL, version TEXT NOT NULL,
    created_at TEXT NOT NULL, expires_at TEXT NOT NULL
) STRICT;
INSERT INTO "leases" VALUES('held','d4234018-cd01-4458-a194-7186b88a33c0',1,'destroy','someone@host','host',5161,'146111','0.1.0','2026-11-20T09:30:15.250000Z','2026-11-20T09:30:45.250000Z');
CREATE TABLE operations (
    number INTEGER PRIMARY KEY AUTOINCREMENT, stack TEXT NOT NULL REFERENCES stacks(name), run TEXT NOT NULL,
    token INTEGER NOT NULL, operation TEXT NOT NULL, address TEXT NOT NULL, status TEXT NOT NULL,
    begun_at TEXT NOT NULL, ended_at TEXT, body TEXT NOT NULL
) STRICT;
INSERT INTO "operations" VALUES(1,'train','run1',1,'create','volume.data','done','2026-11-20T09:30:15.250000Z','2026-11-20T09:30:15.250000Z','{"changes":{},"config":{"size_gb":100},"dependencies":[],"deposes":false,"digest":"d1","id":"","name":"data","protected":false,"region":"us-central1-b","retained":false,"seen":[],"triggers":{}}');
INSERT INTO "operations" VALUES(2,'train','run2',1,'create','task.lost','begun','2026-11-20T09:30:15.250000Z',NULL,'{"changes":{},"config":{"env":{"T":{"$fingerprint":"f00"}}},"dependencies":["volume.data"],"deposes":false,"digest":"dd","id":"","name":"lost-77","protected":true,"region":"us-central1-b","retained":false,"seen":["bid_0"],"triggers":{}}');
INSERT INTO "operations" VALUES(3,'train','run2',1,'update','task.prep','begun','2026-11-20T09:30:15.250000Z',NULL,'{"changes":{"instances":[],"resume":false,"send":{"limit_price":3.0}},"config":{"command":"echo 2"},"dependencies":[],"deposes":false,"digest":"","id":"bid_1","name":"prep-1a2b3c","protected":false,"region":"","retained":false,"seen":[],"triggers":{}}');
INSERT INTO "operations" VALUES(4,'train','run2',1,'delete','task.gone','failed','2026-11-20T09:30:15.250000Z','2026-11-20T09:30:15.250000Z','{"changes":{},"config":{},"dependencies":[],"deposes":false,"digest":"","id":"bid_9","name":"gone","protected":false,"region":"","retained":false,"seen":[],"triggers":{}}');
CREATE TABLE resources (
    stack TEXT NOT NULL REFERENCES stacks(name), address TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
    name TEXT NOT NULL, config TEXT NOT NULL, attributes TEXT NOT NULL, dependencies TEXT NOT NULL,
    protected INTEGER NOT NULL, created_at TEXT, lifecycle TEXT NOT NULL DEFAULT '{}', PRIMARY KEY (stack, address), UNIQUE (stack, kind, id)
) STRICT, WITHOUT ROWID;
INSERT INTO "resources" VALUES('train','module.net["eu"].reservation.window','reservation','res_1','window','{"quantity":2}','{"instances":["i-1","i-2"]}','[]',0,NULL,'{}');
INSERT INTO "resources" VALUES('train','task.prep','task','bid_1','prep-1a2b3c','{"command":"echo $HOME é 日本\n","env":{"$$odd":"x","PLAIN":"y","TOKEN":{"$fingerprint":"ab12"}},"ports":[]}','{"completion":null,"hosts":[],"limit_price":2.5,"status":"running"}','["volume.data"]',0,'2026-11-20T09:30:15.250000Z','{}');
INSERT INTO "resources" VALUES('train','task.train["base \"q\""]','task','bid_2','train-9f','{"command":["python","train.py"],"nested":{"a":[{"b":null},true,1.5]}}','{"completion":{"exit_code":0},"status":"completed"}','["task.prep","volume.data"]',1,'2026-11-20T09:30:15.250000Z','{"deposed":[{"dependencies":["volume.data"],"id":"bid_0","name":"train-old"}],"retained":true,"triggers":{"task.prep.env":{"$fingerprint":"c0ffee"},"volume.data":{"id":"vol_1"}}}');
INSERT INTO "resources" VALUES('train','volume.data','volume','vol_1','data','{"interface":"block","size_gb":100}','{"region":"us-central1-b","status":"attached"}','[]',0,'2026-11-20T09:30:15.250000Z','{}');
CREATE TABLE stacks (
    name TEXT PRIMARY KEY, lineage TEXT NOT NULL, serial INTEGER NOT NULL, key BLOB NOT NULL,
    project TEXT NOT NULL, source TEXT NOT NULL, outputs TEXT NOT NULL, token INTEGER NOT NULL
) STRICT;
INSERT INTO "stacks" VALUES('train','d77e6aa4-e3ed-42f8-bbec-2231fcc23e02',4,X'0D58CCC174EBB8B4B2F8CC544142239E1CA7C61E1C2B12166489B8A787BFB7A2','proj_7','stacks/train.yaml','{"id":"vol_1","list":[1,{"x":"y"}],"secret":{"$fingerprint":"beef"}}',1);
INSERT INTO "stacks" VALUES('empty','4350aa03-e3fe-4fd6-8642-dd10ea193bd5',2,X'9B766664229831722B024850215E89CEB7AE5ADCA6946FDC1486B69596C30817','','empty.yaml','{}',1);
INSERT INTO "stacks" VALUES('held','dad24cee-0826-443c-8530-d7ed6a7aa301',0,X'EFF7C69955F6B81C13CAE9068913AEC54807A344FABE3E9259A44722658A85A0','','held.yaml','{}',1);
CREATE INDEX open_operations ON operations(stack) WHERE status = 'begun';
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('operations',4);
COMMIT;
