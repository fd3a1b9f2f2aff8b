/** The emoji that were picked last on this device. */
const KEY = 'parlance.emoji';
const AT_MOST = 16;
const FIRST = ['👍', '❤️', '😂', '🎉', '😮', '😢', '🙏', '🔥'];

export function recentEmoji(): string[] {
  const kept =
    localStorage
      .getItem(KEY)
      ?.split(' ')
      .filter((emoji) => emoji !== '') ?? [];
  return [...new Set([...kept, ...FIRST])].slice(0, AT_MOST);
}

export function rememberEmoji(emoji: string): void {
  const kept = [emoji, ...recentEmoji().filter((one) => one !== emoji)];
  localStorage.setItem(KEY, kept.slice(0, AT_MOST).join(' '));
}
