-- written by flowplan with state format 1
PRAGMA application_id = 1718382455;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE leases (
    stack TEXT PRIMARY KEY REFERENCES stacks(name), id TEXT NOT NULL, token INTEGER NOT NULL, operation TEXT NOT NULL,
    who TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL, started TEXT NOT NULL, version TEXT NOT NULL,
    created_at TEXT NOT NULL, expires_at TEXT NOT NULL
) STRICT;
INSERT INTO "leases" VALUES('held','265174fb-3e45-48d1-889d-3f13467177c5',1,'destroy','someone@host','host',5118,'146066','0.1.0','2026-11-20T09:30:15.250000Z','2026-11-20T09:30:45.250000Z');
CREATE TABLE operations (
    number INTEGER PRIMARY KEY AUTOINCREMENT, stack TEXT NOT NULL REFERENCES stacks(name), run TEXT NOT NULL,
    token INTEGER NOT NULL, operation TEXT NOT NULL, address TEXT NOT NULL, status TEXT NOT NULL,
    begun_at TEXT NOT NULL, ended_at TEXT, body TEXT NOT NULL
) STRICT;
INSERT INTO "operations" VALUES(1,'train','run1',1,'create','volume.data','done','2026-11-20T09:30:15.250000Z','2026-11-20T09:30:15.250000Z','{"changes":{},"config":{"size_gb":100},"dependencies":[],"digest":"d1","id":"","name":"data","protected":false,"region":"us-central1-b","seen":[]}');
INSERT INTO "operations" VALUES(2,'train','run2',1,'create','task.lost','begun','2026-11-20T09:30:15.250000Z',NULL,'{"changes":{},"config":{"env":{"T":{"$fingerprint":"f00"}}},"dependencies":["volume.data"],"digest":"dd","id":"","name":"lost-77","protected":true,"region":"us-central1-b","seen":["bid_0"]}');
INSERT INTO "operations" VALUES(3,'train','run2',1,'update','task.prep','begun','2026-11-20T09:30:15.250000Z',NULL,'{"changes":{"instances":[],"resume":false,"send":{"limit_price":3.0}},"config":{"command":"echo 2"},"dependencies":[],"digest":"","id":"bid_1","name":"prep-1a2b3c","protected":false,"region":"","seen":[]}');
INSERT INTO "operations" VALUES(4,'train','run2',1,'delete','task.gone','failed','2026-11-20T09:30:15.250000Z','2026-11-20T09:30:15.250000Z','{"changes":{},"config":{},"dependencies":[],"digest":"","id":"bid_9","name":"gone","protected":false,"region":"","seen":[]}');
CREATE TABLE resources (
    stack TEXT NOT NULL REFERENCES stacks(name), address TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
    name TEXT NOT NULL, config TEXT NOT NULL, attributes TEXT NOT NULL, dependencies TEXT NOT NULL,
    protected INTEGER NOT NULL, created_at TEXT, PRIMARY KEY (stack, address), UNIQUE (stack, kind, id)
) STRICT, WITHOUT ROWID;
INSERT INTO "resources" VALUES('train','module.net["eu"].reservation.window','reservation','res_1','window','{"quantity":2}','{"instances":["i-1","i-2"]}','[]',0,NULL);
INSERT INTO "resources" VALUES('train','task.prep','task','bid_1','prep-1a2b3c','{"command":"echo $HOME é 日本\n","env":{"$$odd":"x","PLAIN":"y","TOKEN":{"$fingerprint":"ab12"}},"ports":[]}','{"completion":null,"hosts":[],"limit_price":2.5,"status":"running"}','["volume.data"]',0,'2026-11-20T09:30:15.250000Z');
INSERT INTO "resources" VALUES('train','task.train["base \"q\""]','task','bid_2','train-9f','{"command":["python","train.py"],"nested":{"a":[{"b":null},true,1.5]}}','{"completion":{"exit_code":0},"status":"completed"}','["task.prep","volume.data"]',1,'2026-11-20T09:30:15.250000Z');
INSERT INTO "resources" VALUES('train','volume.data','volume','vol_1','data','{"interface":"block","size_gb":100}','{"region":"us-central1-b","status":"attached"}','[]',0,'2026-11-20T09:30:15.250000Z');
CREATE TABLE stacks (
    name TEXT PRIMARY KEY, lineage TEXT NOT NULL, serial INTEGER NOT NULL, key BLOB NOT NULL,
    project TEXT NOT NULL, source TEXT NOT NULL, outputs TEXT NOT NULL, token INTEGER NOT NULL
) STRICT;
INSERT INTO "stacks" VALUES('train','aa53e263-5a12-4d79-a826-a53237b19bd4',4,X'E0AEA80D244A1EBFDCDEA0ADF0E5A46837B0B26A9D20A5417A42617C006F87FE','proj_7','stacks/train.yaml','{"id":"vol_1","list":[1,{"x":"y"}],"secret":{"$fingerprint":"beef"}}',1);
INSERT INTO "stacks" VALUES('empty','a83fa623-83c1-4c40-ae52-c1426b6d33f0',2,X'0E5A7FFB002EBD7400B845B92CE1FC67AF29E48D8096B199EE6865A56288DBE2','','empty.yaml','{}',1);
INSERT INTO "stacks" VALUES('held','edf89bc2-7238-4285-b45b-9d3534ab89bd',0,X'DDE4851DFEBBCB95239CAD116BC519E227F5502C8EBAEF913FBDAB45C4708ADB','','held.yaml','{}',1);
CREATE INDEX open_operations ON operations(stack) WHERE status = 'begun';
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('operations',4);
COMMIT;
