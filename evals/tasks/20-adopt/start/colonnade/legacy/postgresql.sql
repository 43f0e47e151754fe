-- The order database, as it was made by hand in 2011, on PostgreSQL. Some rows are examples.

CREATE TABLE "TBL_CUST" (
    "CustNo" INTEGER NOT NULL PRIMARY KEY,
    "Nm" VARCHAR(60) NOT NULL,
    "eMail" VARCHAR(120),
    "act" CHAR(1) DEFAULT 'Y' NOT NULL,
    CONSTRAINT "ck_cust_act" CHECK ("act" IN ('Y', 'N'))
);

CREATE UNIQUE INDEX "UX_CUST_MAIL" ON "TBL_CUST" ("eMail");

CREATE TABLE "ordhdr" (
    "OrdYr" INTEGER NOT NULL,
    "OrdNo" INTEGER NOT NULL,
    "CustNo" INTEGER NOT NULL,
    "OrdDt" DATE NOT NULL,
    CONSTRAINT "pk_ordhdr" PRIMARY KEY ("OrdYr", "OrdNo"),
    CONSTRAINT "fk_ord_cust" FOREIGN KEY ("CustNo") REFERENCES "TBL_CUST" ("CustNo")
);

CREATE INDEX "ix_ord_cust" ON "ordhdr" ("CustNo");

CREATE TABLE "ordpos" (
    "OrdYr" INTEGER NOT NULL,
    "OrdNo" INTEGER NOT NULL,
    "PosNo" INTEGER NOT NULL,
    "Item" VARCHAR(40) NOT NULL,
    "Qty" INTEGER NOT NULL,
    "Price" NUMERIC(10, 2) NOT NULL,
    CONSTRAINT "pk_ordpos" PRIMARY KEY ("OrdYr", "OrdNo", "PosNo"),
    CONSTRAINT "fk_pos_ord" FOREIGN KEY ("OrdYr", "OrdNo") REFERENCES "ordhdr" ("OrdYr", "OrdNo"),
    CONSTRAINT "ck_pos_qty" CHECK ("Qty" > 0)
);

CREATE VIEW "v_ord_total" AS
SELECT "OrdYr", "OrdNo", COUNT(*) AS "Positions", SUM("Qty" * "Price") AS "Total"
FROM "ordpos"
GROUP BY "OrdYr", "OrdNo";

INSERT INTO "TBL_CUST" ("CustNo", "Nm", "eMail", "act") VALUES
    (100, 'Ada Lovelace', 'ada@example.com', 'Y'),
    (205, 'O''Neil & Sons', NULL, 'N'),
    (301, 'Åse Ødegård', 'ase@example.com', 'Y');

INSERT INTO "ordhdr" ("OrdYr", "OrdNo", "CustNo", "OrdDt") VALUES
    (2011, 1, 100, '2011-03-09'),
    (2012, 1, 301, '2012-01-02'),
    (2012, 2, 100, '2012-02-29'),
    (2012, 3, 100, '2012-03-01');

INSERT INTO "ordpos" ("OrdYr", "OrdNo", "PosNo", "Item", "Qty", "Price") VALUES
    (2011, 1, 1, 'Lamp', 2, 19.99),
    (2011, 1, 2, 'Bulb', 10, 0.75),
    (2012, 1, 10, 'Chair', 1, 120.00),
    (2012, 2, 1, 'Lamp', 1, 19.99),
    (2012, 2, 4, 'Table', 1, 1250.50);
