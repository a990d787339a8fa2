import { storeContract } from "./store.ts";
import { addressOf } from "../../src/store/postgres/address.ts";
import { PostgresStore } from "../../src/store/postgres/store.ts";
const admin = new Bun.SQL("postgres://postgres@127.0.0.1:5611/postgres", {
  max: 2,
});
let n = 0;
const locks = process.env["LOCKS"] !== "0";
storeContract("pg", () => {
  const name = `t_${process.pid}_${n++}`;
  let made: Promise<unknown> | null = null;
  return {
    open: async () => {
      await (made ??= admin.unsafe(`CREATE DATABASE ${name}`) as any);
      return (await PostgresStore.open(
        addressOf(`postgres://postgres@127.0.0.1:5611/${name}`, null, null),
        { locks },
      )) as any;
    },
    dispose: () => {
      admin
        .unsafe(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
        .catch(() => {});
    },
  };
});
