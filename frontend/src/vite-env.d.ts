declare module 'virtual:emoji/*' {
  /** Groups of emoji: character, name, words to search for. */
  const groups: [emoji: string, name: string, words: string][][];
  export default groups;
}
