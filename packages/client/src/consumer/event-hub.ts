/**
 * event-hub.ts: listeners by event name. A listener that throws is reported, and harms nobody else.
 */

/** Events by name, with their arguments. */
export type EventMap = Readonly<Record<string, readonly unknown[]>>;
export type Listener<Args extends readonly unknown[]> = (...args: Args) => void;

export class EventHub<Events extends { readonly [Name in keyof Events]: readonly unknown[] }> {
  private readonly listeners = new Map<keyof Events, Set<Listener<never>>>();
  private readonly onThrow: (event: keyof Events, error: unknown) => void;

  constructor(onThrow: (event: keyof Events, error: unknown) => void) {
    this.onThrow = onThrow;
  }

  on<Name extends keyof Events>(event: Name, listener: Listener<Events[Name]>): void {
    const listeners = this.listeners.get(event) ?? new Set();
    this.listeners.set(event, listeners.add(listener));
  }

  off<Name extends keyof Events>(event: Name, listener: Listener<Events[Name]>): void {
    this.listeners.get(event)?.delete(listener);
  }

  emit<Name extends keyof Events>(event: Name, ...args: Events[Name]): void {
    for (const listener of [...(this.listeners.get(event) ?? [])]) {
      try {
        (listener as Listener<Events[Name]>)(...args);
      } catch (error) {
        this.onThrow(event, error);
      }
    }
  }
}
