import { describe, expect, it } from 'vitest';
import de from '../i18n/messages/de.json';
import { sentence, toProblem } from './problem';

describe('a problem', () => {
  it('is told in the words of the person’s language, field by field', () => {
    const problem = toProblem(400, {
      code: 'input_invalid',
      detail: 'The input is not valid.',
      errors: [{ field: 'handle', code: 'handle_invalid', detail: '`_` and so on' }],
    });
    expect(problem.fields.get('handle')).toMatch(/^3 to 32 characters/);
    expect(sentence(problem)).toBe(problem.fields.get('handle'));
  });

  it('is told as the service says it where nobody has better words', () => {
    expect(sentence(toProblem(418, { code: 'teapot', detail: 'Short and stout.' }))).toBe(
      'Short and stout.',
    );
    expect(sentence(toProblem(502, undefined))).toMatch(/^The server could not answer/);
  });

  it('has words for every code that it says it has', () => {
    const codes = Object.keys(de).filter((key) => key.startsWith('problem.code.'));
    expect(codes.length).toBeGreaterThan(40);
    for (const key of codes) {
      const code = key.slice('problem.code.'.length);
      expect(toProblem(400, { code, detail: '…' }).message, code).not.toMatch(/^(…|problem\.)/);
    }
  });
});
