/** How often a server that stops by itself is started again, and after which pauses. Knows no clock of its own. */

const MOST = 3;
const WINDOW_MS = 60_000;
const FIRST_PAUSE_MS = 500;

export class Backoff {
  private stops: number[] = [];

  /** It stopped at `now`, in milliseconds: the pause before the next start, or undefined where it keeps stopping. */
  stopped(now: number): number | undefined {
    this.stops = [...this.stops.filter((at) => now - at < WINDOW_MS), now];
    return this.stops.length > MOST ? undefined : FIRST_PAUSE_MS * 2 ** (this.stops.length - 1);
  }

  reset(): void {
    this.stops = [];
  }
}
