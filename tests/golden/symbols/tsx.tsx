import { Button } from "@/ui/button";

export function App({ title }: Props) {
  const [open, setOpen] = useState(false);
  return <Button onClick={() => setOpen(!open)}>{title}</Button>;
}
