import { expect, test } from 'vitest';
import { middleSquare } from './square-picture';

test('the square is in the middle and as large as can be', () => {
  expect(middleSquare(300, 200)).toEqual({ x: 50, y: 0, side: 200 });
  expect(middleSquare(200, 300)).toEqual({ x: 0, y: 50, side: 200 });
  expect(middleSquare(64, 64)).toEqual({ x: 0, y: 0, side: 64 });
});
