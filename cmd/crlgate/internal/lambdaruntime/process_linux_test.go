package lambdaruntime

func parentMain(string) {}
