import { useQuery } from '@tanstack/react-query';
import { read } from '@/shared/api/conversations';
import { useSignedIn } from '@/shared/session/context';

/** Who one is, as the server has it now. */
export function useMe() {
  const { api } = useSignedIn();
  return useQuery({
    queryKey: ['me'],
    queryFn: async () => read(await api.accounts.GET('/api/account/me')),
  });
}
