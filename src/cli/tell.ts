/** How `serve` says what happens: one line for one event. */

/** Tells of one event: as a line for people, or as JSON with its data. */
export type Tell = (event: string, text: string, data: Record<string, unknown>) => void;

export const tellPeople: Tell = (_event, text) => void process.stdout.write(`${text}\n`);

export const tellJson: Tell = (event, _text, data) =>
  void process.stdout.write(`${JSON.stringify({ event, ...data })}\n`);
