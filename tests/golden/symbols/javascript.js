import React, { useState as state } from "react";
import * as path from "./path.js";
const { join, sep: separator } = require("path");
export { helper } from "./helper";

/**
 * A counter.
 * @class
 */
export default class Counter extends React.Component {
  static limit = 10;
  #count = 0;

  constructor(props) {
    super(props);
    this.step = props.step;
  }

  // Adds one.
  increment(by = 1) {
    const next = this.#count + by;
    return clamp(next, Counter.limit);
  }
}

// Keeps a number in its bounds.
export const clamp = (value, max) => {
  const low = Math.min(value, max);
  return low;
};

const MAX = 3, MIN = 1;
exports.run = function (options) {
  on("done", (event) => {
    const seen = event.target;
    state(seen, options, MAX);
  });
};
Counter.prototype.reset = function () {};
function* walk({ root, deep: [first] }) {
  yield root.first(first);
}
