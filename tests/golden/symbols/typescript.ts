import type { Point } from "./point";
import fs = require("fs");

/** What can be drawn. */
export interface Shape<T> {
  name: string;
  area(scale: number): T;
}

export type Shapes = Shape<number> | Point;

enum Color {
  Red = 1,
  Green,
}

namespace geometry {
  export function distance(a: Point, b?: Point): number {
    return Math.hypot(a.x - (b?.x ?? 0));
  }
}

export abstract class Base implements Shape<number> {
  private readonly scale: number = 1;
  constructor(public name: string) {}
  abstract area(scale: number): number;
  handler = (event: Event) => this.area(event.size);
}

declare function log(text: string): void;
