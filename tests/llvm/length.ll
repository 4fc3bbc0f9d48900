define void @length(ptr noalias readonly align 8 %x, ptr noalias align 8 %y) #0 {
entry:
  %t = alloca [8 x i8], align 1
  %t2 = alloca [8 x double], align 8
  %t3 = alloca [8 x double], align 8
  %sum = alloca double, align 8
  br label %loop

loop:
  %i = phi i32 [ 0, %entry ], [ %6, %body ]
  %0 = icmp slt i32 %i, 8
  br i1 %0, label %body, label %done

body:
  %1 = getelementptr inbounds i8, ptr %t, i32 %i
  %2 = getelementptr inbounds double, ptr %x, i32 %i
  %3 = load double, ptr %2, align 8
  %4 = fcmp ogt double %3, 0.000000e+00
  %5 = zext i1 %4 to i8
  store i8 %5, ptr %1, align 1
  %6 = add nsw i32 %i, 1
  br label %loop

done:
  br label %loop1

loop1:
  %i4 = phi i32 [ 0, %done ], [ %14, %body2 ]
  %7 = icmp slt i32 %i4, 8
  br i1 %7, label %body2, label %done3

body2:
  %8 = getelementptr inbounds double, ptr %t2, i32 %i4
  %9 = getelementptr inbounds double, ptr %x, i32 %i4
  %10 = load double, ptr %9, align 8
  %11 = getelementptr inbounds double, ptr %x, i32 %i4
  %12 = load double, ptr %11, align 8
  %13 = fmul double %10, %12
  store double %13, ptr %8, align 8
  %14 = add nsw i32 %i4, 1
  br label %loop1

done3:
  br label %loop5

loop5:
  %i8 = phi i32 [ 0, %done3 ], [ %23, %chosen ]
  %15 = icmp slt i32 %i8, 8
  br i1 %15, label %body6, label %done7

body6:
  %16 = getelementptr inbounds double, ptr %t3, i32 %i8
  %17 = getelementptr inbounds i8, ptr %t, i32 %i8
  %18 = load i8, ptr %17, align 1
  %19 = icmp ne i8 %18, 0
  br i1 %19, label %yes, label %no

yes:
  %20 = getelementptr inbounds double, ptr %t2, i32 %i8
  %21 = load double, ptr %20, align 8
  br label %chosen

no:
  br label %chosen

chosen:
  %22 = phi double [ %21, %yes ], [ 0.000000e+00, %no ]
  store double %22, ptr %16, align 8
  %23 = add nsw i32 %i8, 1
  br label %loop5

done7:
  store double 0.000000e+00, ptr %sum, align 8
  br label %loop9

loop9:
  %i12 = phi i32 [ 0, %done7 ], [ %29, %body10 ]
  %24 = icmp slt i32 %i12, 8
  br i1 %24, label %body10, label %done11

body10:
  %25 = getelementptr inbounds double, ptr %t3, i32 %i12
  %26 = load double, ptr %25, align 8
  %27 = load double, ptr %sum, align 8
  %28 = fadd double %27, %26
  store double %28, ptr %sum, align 8
  %29 = add nsw i32 %i12, 1
  br label %loop9

done11:
  %30 = load double, ptr %sum, align 8
  %31 = call double @llvm.sqrt.f64(double %30)
  store double %31, ptr %y, align 8
  ret void
}
