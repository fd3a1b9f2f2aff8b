import { expect, test } from 'vitest';
import type { Member } from '@/shared/api/conversations';
import { membersOf } from './use-members';

const member = (user_id: string, role: Member['role'] = 'member'): Member => ({
  user_id,
  role,
  joined_at: '2026-01-01T00:00:00Z',
});

test('pages of members are one list with everybody once', () => {
  const [ada, ben, eve] = [member('ada', 'owner'), member('ben', 'admin'), member('eve')];
  expect(membersOf([{ members: [ada, ben] }, { members: [eve] }])).toEqual([ada, ben, eve]);
  expect(membersOf([])).toEqual([]);
});

test('who came back meanwhile is at the end, as what they are now', () => {
  const [ada, eve, back] = [member('ada', 'owner'), member('eve'), member('ben')];
  const pages = [{ members: [ada, member('ben', 'admin')] }, { members: [eve, back] }];
  expect(membersOf(pages)).toEqual([ada, eve, back]);
});
