-- written by flowplan with state format 3
PRAGMA application_id = 1718382455;
PRAGMA user_version = 3;
BEGIN TRANSACTION;
CREATE TABLE changes (
    stack TEXT NOT NULL, serial INTEGER NOT NULL, address TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('add', 'change', 'remove')), kind TEXT NOT NULL, id TEXT NOT NULL,
    body TEXT NOT NULL, sum INTEGER NOT NULL,
    FOREIGN KEY (stack, serial) REFERENCES serials(stack, serial) DEFERRABLE INITIALLY DEFERRED
) STRICT;
INSERT INTO "changes" VALUES('train',2,'volume.data','add','volume','vol_1','{"attributes":{"region":"us-central1-b","status":"attached"},"config":{"interface":"block","size_gb":100},"created_at":"2026-11-20T09:30:15.250000Z","name":"data"}',7647468356629961581);
INSERT INTO "changes" VALUES('train',3,'task.prep','add','task','bid_1','{"attributes":{"completion":null,"hosts":[],"limit_price":2.5,"status":"running"},"config":{"command":"echo $HOME é 日本\n","env":{"$$odd":"x","PLAIN":"y","TOKEN":{"$fingerprint":"ab12"}},"ports":[]},"created_at":"2026-11-20T09:30:15.250000Z","dependencies":["volume.data"],"name":"prep-1a2b3c"}',9196301841514502384);
INSERT INTO "changes" VALUES('train',3,'task.train["base \"q\""]','add','task','bid_2','{"attributes":{"completion":{"exit_code":0},"status":"completed"},"config":{"command":["python","train.py"],"nested":{"a":[{"b":null},true,1.5]}},"created_at":"2026-11-20T09:30:15.250000Z","dependencies":["task.prep","volume.data"],"deposed":[{"dependencies":["volume.data"],"id":"bid_0","name":"train-old"}],"name":"train-9f","protected":true,"retained":true,"triggers":{"task.prep.env":{"$fingerprint":"c0ffee"},"volume.data":{"id":"vol_1"}}}',1100381276397267973);
INSERT INTO "changes" VALUES('train',3,'module.net["eu"].reservation.window','add','reservation','res_1','{"attributes":{"instances":["i-1","i-2"]},"config":{"quantity":2},"name":"window"}',4307235682492835651);
INSERT INTO "changes" VALUES('train',3,'outputs','add','','','{"id":"vol_1","list":[1,{"x":"y"}],"secret":{"$fingerprint":"beef"}}',4697832633736106605);
INSERT INTO "changes" VALUES('empty',1,'task.only','add','task','bid_5','{"attributes":{},"config":{"command":"x"},"name":"only"}',8505004848770476532);
INSERT INTO "changes" VALUES('empty',2,'task.only','remove','task','bid_5','{"attributes":{},"config":{"command":"x"},"name":"only"}',8505004848770476532);
CREATE TABLE leases (
    stack TEXT PRIMARY KEY REFERENCES stacks(name), id TEXT NOT NULL, token INTEGER NOT NULL, operation TEXT NOT NULL,
    who TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL, started TEXT NOT NULL, version TEXT NOT NULL,
    created_at TEXT NOT NULL, expires_at TEXT NOT NULL, machine TEXT NOT NULL, done INTEGER NOT NULL,
    steps INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "leases" VALUES('held','fd4a0502-b56a-4cfe-be3c-b7587c85cebf',1,'destroy','someone@host','host',5614,'149591','0.1.0','2026-11-20T09:30:15.250000Z','2026-11-20T09:30:45.250000Z','b031d16e-1cea-40ec-9b57-7a6e8145a1a4/pid:[4026531836]',0,0);
CREATE TABLE operations (
    number INTEGER PRIMARY KEY AUTOINCREMENT, stack TEXT NOT NULL REFERENCES stacks(name), run TEXT NOT NULL,
    token INTEGER NOT NULL, operation TEXT NOT NULL, address TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('begun', 'done', 'failed')), begun_at TEXT NOT NULL, ended_at TEXT,
    body TEXT NOT NULL, sum INTEGER NOT NULL, CHECK ((status = 'begun') = (ended_at IS NULL))
) STRICT;
INSERT INTO "operations" VALUES(1,'train','run1',1,'create','volume.data','done','2026-11-20T09:30:15.250000Z','2026-11-20T09:30:15.250000Z','{"changes":{},"config":{"size_gb":100},"dependencies":[],"deposes":false,"digest":"d1","id":"","name":"data","protected":false,"region":"us-central1-b","retained":false,"seen":[],"triggers":{}}',4238710630812719155);
INSERT INTO "operations" VALUES(2,'train','run2',1,'create','task.lost','begun','2026-11-20T09:30:15.250000Z',NULL,'{"changes":{},"config":{"env":{"T":{"$fingerprint":"f00"}}},"dependencies":["volume.data"],"deposes":false,"digest":"dd","id":"","name":"lost-77","protected":true,"region":"us-central1-b","retained":false,"seen":["bid_0"],"triggers":{}}',7188472747312635665);
INSERT INTO "operations" VALUES(3,'train','run2',1,'update','task.prep','begun','2026-11-20T09:30:15.250000Z',NULL,'{"changes":{"instances":[],"resume":false,"send":{"limit_price":3.0}},"config":{"command":"echo 2"},"dependencies":[],"deposes":false,"digest":"","id":"bid_1","name":"prep-1a2b3c","protected":false,"region":"","retained":false,"seen":[],"triggers":{}}',418855974214041419);
INSERT INTO "operations" VALUES(4,'train','run2',1,'delete','task.gone','failed','2026-11-20T09:30:15.250000Z','2026-11-20T09:30:15.250000Z','{"changes":{},"config":{},"dependencies":[],"deposes":false,"digest":"","id":"bid_9","name":"gone","protected":false,"region":"","retained":false,"seen":[],"triggers":{}}',3690668372031982267);
CREATE TABLE outputs (
    stack TEXT PRIMARY KEY REFERENCES stacks(name), body TEXT NOT NULL, sum INTEGER NOT NULL
) STRICT;
INSERT INTO "outputs" VALUES('train','{"id":"vol_1","list":[1,{"x":"y"}],"secret":{"$fingerprint":"beef"}}',4697832633736106605);
CREATE TABLE resources (
    stack TEXT NOT NULL REFERENCES stacks(name), address TEXT NOT NULL, kind TEXT NOT NULL,
    id TEXT NOT NULL CHECK (id <> ''), body TEXT NOT NULL, sum INTEGER NOT NULL,
    UNIQUE (stack, address), UNIQUE (stack, kind, id)
) STRICT;
INSERT INTO "resources" VALUES('train','volume.data','volume','vol_1','{"attributes":{"region":"us-central1-b","status":"attached"},"config":{"interface":"block","size_gb":100},"created_at":"2026-11-20T09:30:15.250000Z","name":"data"}',7647468356629961581);
INSERT INTO "resources" VALUES('train','task.prep','task','bid_1','{"attributes":{"completion":null,"hosts":[],"limit_price":2.5,"status":"running"},"config":{"command":"echo $HOME é 日本\n","env":{"$$odd":"x","PLAIN":"y","TOKEN":{"$fingerprint":"ab12"}},"ports":[]},"created_at":"2026-11-20T09:30:15.250000Z","dependencies":["volume.data"],"name":"prep-1a2b3c"}',9196301841514502384);
INSERT INTO "resources" VALUES('train','task.train["base \"q\""]','task','bid_2','{"attributes":{"completion":{"exit_code":0},"status":"completed"},"config":{"command":["python","train.py"],"nested":{"a":[{"b":null},true,1.5]}},"created_at":"2026-11-20T09:30:15.250000Z","dependencies":["task.prep","volume.data"],"deposed":[{"dependencies":["volume.data"],"id":"bid_0","name":"train-old"}],"name":"train-9f","protected":true,"retained":true,"triggers":{"task.prep.env":{"$fingerprint":"c0ffee"},"volume.data":{"id":"vol_1"}}}',1100381276397267973);
INSERT INTO "resources" VALUES('train','module.net["eu"].reservation.window','reservation','res_1','{"attributes":{"instances":["i-1","i-2"]},"config":{"quantity":2},"name":"window"}',4307235682492835651);
CREATE TABLE serials (
    stack TEXT NOT NULL REFERENCES stacks(name), lineage TEXT NOT NULL,
    serial INTEGER NOT NULL CHECK (serial > 0), at TEXT NOT NULL,
    operation TEXT NOT NULL, version TEXT NOT NULL, project TEXT NOT NULL, resources INTEGER NOT NULL,
    total INTEGER NOT NULL, sum INTEGER NOT NULL, PRIMARY KEY (stack, serial)
) STRICT, WITHOUT ROWID;
INSERT INTO "serials" VALUES('empty','5d7cf36c-cd7e-4018-9a35-72b12b4e7f92',1,'2026-11-20T09:30:15.250000Z','apply','0.1.0','',1,8505004848770476532,5314401002001309292);
INSERT INTO "serials" VALUES('empty','5d7cf36c-cd7e-4018-9a35-72b12b4e7f92',2,'2026-11-20T09:30:15.250000Z','apply','0.1.0','',0,0,137810202301464876);
INSERT INTO "serials" VALUES('train','9dd9e2a3-5205-4769-b308-c23ad6151449',1,'2026-11-20T09:30:15.250000Z','apply','0.1.0','proj_7',0,0,5401582501093788791);
INSERT INTO "serials" VALUES('train','9dd9e2a3-5205-4769-b308-c23ad6151449',2,'2026-11-20T09:30:15.250000Z','apply','0.1.0','proj_7',1,7647468356629961581,1551406482858437540);
INSERT INTO "serials" VALUES('train','9dd9e2a3-5205-4769-b308-c23ad6151449',3,'2026-11-20T09:30:15.250000Z','apply','0.1.0','proj_7',4,8502475717061122578,7972170999114460361);
INSERT INTO "serials" VALUES('train','9dd9e2a3-5205-4769-b308-c23ad6151449',4,'2026-11-20T09:30:15.250000Z','apply','0.1.0','proj_7',4,8502475717061122578,536143208469646659);
CREATE TABLE stacks (
    name TEXT PRIMARY KEY CHECK (name <> ''), lineage TEXT NOT NULL CHECK (lineage <> ''),
    serial INTEGER NOT NULL CHECK (serial >= 0), key BLOB NOT NULL, project TEXT NOT NULL, source TEXT NOT NULL,
    token INTEGER NOT NULL, resources INTEGER NOT NULL CHECK (resources >= 0), total INTEGER NOT NULL,
    open INTEGER NOT NULL, sum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "stacks" VALUES('empty','5d7cf36c-cd7e-4018-9a35-72b12b4e7f92',2,X'E191CA54C5845F9FEBC123114F70E2E360123730D54CDB2EBB570F8E02DAF77F','','empty.yaml',1,0,0,0,3452175590715710152);
INSERT INTO "stacks" VALUES('held','d2b8a91b-aaa7-4e4b-bad0-6939493f0811',0,X'40EBB386EFF1AEF36F845C3F028619A33C68A1124D410DE5C6992C56B56D6548','','held.yaml',1,0,0,0,294087138694387745);
INSERT INTO "stacks" VALUES('train','9dd9e2a3-5205-4769-b308-c23ad6151449',4,X'5D045E042B20FC0DFAE64E499DDAD98655E00AA5E6C03D17F4E9FC7BFC44335A','proj_7','stacks/train.yaml',1,4,8502475717061122578,7607328721526677084,2901967326484307944);
CREATE UNIQUE INDEX changes_in_order ON changes(stack, serial, address);
CREATE INDEX open_operations ON operations(stack) WHERE status = 'begun';
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('operations',4);
COMMIT;
