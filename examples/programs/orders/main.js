// The last argument is the path of the call file: all that the call is, as JSON.
const fs = require("node:fs");

const call = JSON.parse(fs.readFileSync(process.argv.at(-1), "utf8"));
const read = (name) => {
  const input = call.inputs[name]; // a large value lies only in its file
  return "value" in input ? input.value : JSON.parse(fs.readFileSync(input.path, "utf8"));
};

class Refused extends Error {
  constructor(path, message) {
    super(message);
    this.path = path;
  }
}

function totals(orders, rates) {
  const found = new Map();
  orders.forEach((order, number) => {
    const rate = order.currency === "EUR" ? 1 : rates?.[order.currency];
    if (rate === undefined) {
      throw new Refused(`$.orders[${number}].currency`, `there is no rate for ${order.currency}`);
    }
    const total = found.get(order.customer) ?? { customer: order.customer, orders: 0, amount: 0 };
    total.orders += 1;
    total.amount += order.amount * rate;
    found.set(order.customer, total);
  });
  return [...found.values()].sort((a, b) => b.amount - a.amount);
}

try {
  const result = totals(read("orders"), read("rates"));
  console.log(`${call.task}: ${result.length} customers`); // a line of its log
  fs.writeFileSync(call.outputs.value.path, JSON.stringify(result));
} catch (error) {
  const violations = error instanceof Refused ? [{ path: error.path, message: error.message }] : [];
  const code = violations.length ? "invalid_input" : "internal";
  fs.writeFileSync(call.error, JSON.stringify({ code, message: error.message, violations }));
  process.exitCode = 1;
}
